"""The test server's queue, its cache and the running of prompts."""
