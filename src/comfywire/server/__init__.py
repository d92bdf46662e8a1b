"""A ComfyUI-compatible server for first runs and for tests."""
