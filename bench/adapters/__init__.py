"""Begin an adapter; trust one."""
