"""Which ComfyUIs there are, and what each has."""
