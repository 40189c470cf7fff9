"""Who reaches whom, and the servers: channels, sockets, the core driven by the clock."""
