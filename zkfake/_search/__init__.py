"""The search for failures: the same program in many simulated worlds."""
