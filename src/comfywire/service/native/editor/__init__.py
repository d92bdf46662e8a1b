"""ComfyUI's own editor, where it is installed: what it keeps on its server, what node packs add to it."""
