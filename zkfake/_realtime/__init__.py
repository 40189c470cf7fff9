"""The real-time driver: sockets and a thread."""
