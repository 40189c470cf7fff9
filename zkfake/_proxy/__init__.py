"""The proxy: the faults of connections in front of any server."""
