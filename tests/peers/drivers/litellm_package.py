"""LiteLLM, to which the service is a provider that speaks OpenAI's API: ``openai/NAME``."""

import json
import sys
from pathlib import Path

import litellm  # type: ignore[import-not-found,unused-ignore]


def main() -> None:
    given = json.load(sys.stdin)
    there = {"api_base": f"{given['url']}/v1", "api_key": given["key"]}
    drawn = litellm.image_generation(model="openai/draw", prompt="a boat", size="64x64", **there)
    with Path(given["file"]).open("rb") as photo, Path(given["mask"]).open("rb") as mask:
        edited = litellm.image_edit(model="openai/edit", image=photo, mask=mask, prompt="a boat", **there)
    answer = {
        "drawn": [image.b64_json for image in drawn.data],
        "edited": [image.b64_json for image in edited.data],
    }
    print(json.dumps(answer))


main()
