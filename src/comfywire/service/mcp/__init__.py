"""MCP over registered workflows: each is a tool, a call is a job, and a task's id is the job's."""
