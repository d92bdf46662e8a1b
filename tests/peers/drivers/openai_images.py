"""Drive OpenAI's own package and LiteLLM against a service: pictures, edits, a stream, a video."""

import base64
import json
import sys
import time
import warnings
from pathlib import Path

import litellm  # type: ignore[import-not-found,unused-ignore]
import openai  # type: ignore[import-not-found,unused-ignore]

task = json.load(sys.stdin)
base_url, key, photo, mask = (task[name] for name in ("base_url", "key", "photo", "mask"))
client = openai.OpenAI(base_url=base_url, api_key=key, timeout=60, max_retries=0)
size = {"size": "64x64"}
found: dict[str, object] = {"models": [model.id for model in client.models.list()]}

made = client.images.generate(model="draw", prompt="a boat", n=2, **size)
found["generated"] = [picture.b64_json for picture in made.data]
found["usage"] = made.usage.total_tokens

with Path(photo).open("rb") as picture, Path(mask).open("rb") as hole:
    edited = client.images.edit(model="edit", prompt="x", image=[picture], mask=hole)
found["edited"] = [picture.b64_json for picture in edited.data]

events = list(client.images.generate(model="draw", prompt="a boat", stream=True, partial_images=2, **size))
found["events"] = [event.type for event in events]
found["streamed"] = events[-1].b64_json

try:
    client.images.generate(model="gpt-9", prompt="a boat")
except openai.NotFoundError as error:
    found["unknown"] = error.code
try:
    client.images.generate(model="draw", prompt="a boat", background="transparent")
except openai.BadRequestError as error:
    found["refused"] = error.param

with warnings.catch_warnings(), Path(photo).open("rb") as picture:
    warnings.simplefilter("ignore", DeprecationWarning)
    video = client.videos.create(model="film", prompt="", input_reference=picture)
    until = time.monotonic() + 30
    while video.status in ("queued", "in_progress") and time.monotonic() < until:
        time.sleep(0.1)
        video = client.videos.retrieve(video.id)
    content = client.videos.download_content(video.id).read()
found["video"] = [video.status, video.progress, base64.b64encode(content[:4]).decode()]

other = litellm.image_generation(
    model="openai/gpt-image-1", prompt="a boat", api_base=base_url, api_key=key, **size
)
found["litellm"] = other.data[0].b64_json

print(json.dumps(found))
