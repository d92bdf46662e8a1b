"""Files as callers give them, opened, named, measured, drawn; and names of the server's, made safe."""
