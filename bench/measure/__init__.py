"""Time a session, and check what it answers."""
