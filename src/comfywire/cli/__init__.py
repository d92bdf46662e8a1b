"""The command ``comfywire``; each command returns an exit status."""
