"""Draw a workflow as a graph of text."""
