"""What is replaced in the process while a simulation runs, and its removal."""
