"""The client of a job service, for `comfywire submit` and for other programs."""
