"""The call of a route's handler, without asking anew what the handler depends on."""
