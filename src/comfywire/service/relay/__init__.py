"""What ComfyUIs say of jobs, on its way from the workers that hear it to the sockets that want it."""
