"""Node types that ship with Comfywire, for files that are read where no server is known."""
