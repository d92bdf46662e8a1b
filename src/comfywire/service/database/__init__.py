"""The pool of connections, what PostgreSQL notifies, and what an outage is."""
