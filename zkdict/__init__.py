"""A dict whose keys are the child znodes of one ZooKeeper path, read from a live local copy."""
