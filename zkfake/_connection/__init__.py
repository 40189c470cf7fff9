"""One client's connection to a server, without I/O, and the four-letter words."""
