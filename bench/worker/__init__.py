"""What children do."""
