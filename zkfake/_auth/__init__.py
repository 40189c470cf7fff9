"""Who a client is: the schemes of authentication."""
