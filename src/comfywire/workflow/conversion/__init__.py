"""Convert the editor's workflow files into prompts in API format, and back."""
