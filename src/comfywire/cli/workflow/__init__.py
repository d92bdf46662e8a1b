"""The commands that read workflows: inspect, convert, validate and others."""
