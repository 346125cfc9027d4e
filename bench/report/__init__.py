"""What people see of results files: pure functions of them."""
