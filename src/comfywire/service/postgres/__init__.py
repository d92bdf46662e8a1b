"""The PostgreSQL that the service brings and runs itself."""
