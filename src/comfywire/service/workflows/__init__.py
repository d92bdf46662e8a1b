"""Registered workflows: versions, schemas and the files that they name."""
