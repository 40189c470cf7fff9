"""Measurements that compare: `python -m benchmarks` runs all of them, with names only those."""
