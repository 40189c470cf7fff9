"""What can be done to the connections between clients and servers, and to which request."""
