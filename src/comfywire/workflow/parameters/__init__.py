"""The named inputs of a workflow: declared, drafted, read from TOML, and bound to values."""
