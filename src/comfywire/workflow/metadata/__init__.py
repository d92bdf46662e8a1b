"""Find the workflow that a picture, a video, a sound or another file carries."""
