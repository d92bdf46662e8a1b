"""The commands that ask or change one ComfyUI."""
