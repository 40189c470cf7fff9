"""What a program, a sweep or chance can do to clients, servers and links."""
