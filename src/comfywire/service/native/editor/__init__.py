"""ComfyUI's own editor, where the operator has installed it, and what it keeps on its server."""
