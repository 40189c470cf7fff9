"""What code in a simulation gets in place of the clock, chance, threads and the machine."""
