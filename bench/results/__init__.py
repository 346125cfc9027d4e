"""The results file."""
