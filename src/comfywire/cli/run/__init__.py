"""`comfywire run` and what it shows."""
