"""Files: whose they are, where their bytes are, and for how long."""
