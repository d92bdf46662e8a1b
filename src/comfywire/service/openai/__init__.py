"""OpenAI's API over registered workflows: a model is a workflow, a request for pictures is jobs."""
