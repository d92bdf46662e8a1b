"""The official package ``openai``: pictures, an edit with a mask, a stream with previews, a video."""

import json
import sys
from pathlib import Path
from typing import Any

from openai import NotFoundError, OpenAI  # type: ignore[import-not-found,unused-ignore]


def streamed(client: OpenAI) -> list[dict[str, Any]]:
    events = client.images.generate(
        model="draw", prompt="a boat", size="64x64", stream=True, partial_images=2
    )
    return [{"type": event.type, "picture": getattr(event, "b64_json", None)} for event in events]


def refused(client: OpenAI) -> str | None:
    try:
        client.images.generate(model="nobody", prompt="a boat")
    except NotFoundError as error:
        return error.code
    return "nothing"


def main() -> None:
    given = json.load(sys.stdin)
    photo, mask = Path(given["file"]), Path(given["mask"])
    with OpenAI(base_url=f"{given['url']}/v1", api_key=given["key"]) as client:
        drawn = client.images.generate(model="draw", prompt="a boat", size="64x64", n=2)
        edited = client.images.edit(model="see", image=photo, mask=mask, prompt="a boat")
        video = client.videos.create_and_poll(
            model="film", prompt="", input_reference=photo, seconds="4", poll_interval_ms=100
        )
        answer = {
            "models": sorted(model.id for model in client.models.list()),
            "drawn": [image.b64_json for image in drawn.data or []],
            "edited": [image.b64_json for image in edited.data or []],
            "streamed": streamed(client),
            "video": [video.status, client.videos.download_content(video.id).read()[:4].decode()],
            "refused": refused(client),
        }
    print(json.dumps(answer))


main()
