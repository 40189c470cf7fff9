"""pytest fixtures and Hypothesis state machines for code that uses ZooKeeper."""
