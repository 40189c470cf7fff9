"""What runs the tasks: one at a time, on a virtual clock."""
