"""From a sensor's readings to joules."""
