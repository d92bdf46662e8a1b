"""Files as callers give them: opened, named, measured, drawn."""
