"""What agents are shown over MCP: tools, pictures made small, and the MCP server of one ComfyUI."""
