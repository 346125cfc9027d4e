"""Backends: one file each, imported only by worker and probe processes."""
