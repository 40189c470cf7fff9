"""What a test can do to an ensemble: read, set and restore its state, and inject server faults."""
