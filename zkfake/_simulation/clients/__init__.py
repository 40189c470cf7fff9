"""kazoo's handler interface, and the clients that are made with it."""
