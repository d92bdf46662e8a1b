"""What LibreChat asks of OpenAI's API, in its order and with its fields, rewritten.

Its tools for pictures (``OpenAIImageTools.js``) have the model's name built in, send every default, read
``b64_json`` alone, and send edits as forms with ``image[]``, without OpenAI's package.
"""

import json
import sys
from pathlib import Path

import httpx
from openai import OpenAI  # type: ignore[import-not-found,unused-ignore]

MODEL = "gpt-image-1"


def main() -> None:
    given = json.load(sys.stdin)
    base, key = f"{given['url']}/v1", given["key"]
    automatic = {"quality": "auto", "size": "auto"}
    with OpenAI(base_url=base, api_key=key) as client:
        drawn = client.images.generate(
            model=MODEL, prompt="a boat", n=1, background="auto", output_format="png",
            quality="auto", size="auto",
        )  # fmt: skip
    edited = httpx.post(
        f"{base}/images/edits",
        headers={"Authorization": f"Bearer {key}"},
        data={"model": MODEL, "prompt": "a boat", **automatic},
        files=[("image[]", ("photo.png", Path(given["file"]).read_bytes(), "image/png"))],
        timeout=60,
    )
    answer = {
        "drawn": [image.b64_json for image in drawn.data or []],
        "edited": [image["b64_json"] for image in edited.raise_for_status().json()["data"]],
    }
    print(json.dumps(answer))


main()
