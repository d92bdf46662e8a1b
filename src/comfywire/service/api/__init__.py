"""The HTTP API: requests in, answers out; what is decided is decided elsewhere."""
