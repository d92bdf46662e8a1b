"""What the test server sends over its sockets."""
