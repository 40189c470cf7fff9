"""The virtual-time driver: an ensemble, its network and its clients in one thread."""
