"""The Comfy Router's API over registered workflows, which comfy-sdk calls ``client.models``."""
