"""The test server's routes."""
