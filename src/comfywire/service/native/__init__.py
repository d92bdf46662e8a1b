"""ComfyUI's own API in front of the fleet: programs that know one server get a durable queue."""
