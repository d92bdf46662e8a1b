"""One worker: its loops, its ComfyUIs, and one run of one job."""
