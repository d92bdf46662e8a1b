"""Comfywire: a ComfyUI client, test server and command line."""
