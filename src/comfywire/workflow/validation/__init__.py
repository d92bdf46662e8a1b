"""Check a prompt against the catalogue of a server before it is sent."""
