"""Processes, locks, files and facts of the host."""
