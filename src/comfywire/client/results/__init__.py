"""What a prompt produced, and what can be done with it."""
