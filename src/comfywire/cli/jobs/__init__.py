"""The commands that speak to a job service."""
