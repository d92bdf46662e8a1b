"""The job service: a durable queue in front of any number of ComfyUIs."""
