"""The nodes: plain classes in ComfyUI's own form."""
