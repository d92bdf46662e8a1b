"""The commands that run a job service: serve, worker, keys, db."""
