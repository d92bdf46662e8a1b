"""The way of a request from its route to its handler: its key, its body, and the call."""
