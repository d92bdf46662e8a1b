"""comfy-api-simplified: blocking, one thread for each job."""

from __future__ import annotations

from importlib.metadata import version

from comfy_api_simplified import ComfyApiWrapper, ComfyWorkflowWrapper
from contest import NoPicture, Prompt, Run, race_in_threads

run = Run.from_command_line()
api = ComfyApiWrapper(run.url)


def run_one(prompt: Prompt) -> bytes:
    found = api.queue_and_wait_images(ComfyWorkflowWrapper(prompt), "Save")
    if not found:
        raise NoPicture
    content: bytes = next(iter(found.values()))
    return content


race_in_threads(run_one, run, version=version("comfy-api-simplified"))
