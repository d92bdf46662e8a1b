"""A picture, and an edit of a picture, with the package `openai`: its models are the service's workflows."""

import base64
import os
from pathlib import Path

from openai import OpenAI  # type: ignore[import-not-found,unused-ignore]

SERVICE = os.environ.get("COMFYWIRE_SERVICE", "http://127.0.0.1:8190")


def save(name: str, answer: object) -> None:
    for number, image in enumerate(answer.data):  # type: ignore[attr-defined]
        Path(f"{name}_{number}.png").write_bytes(base64.b64decode(image.b64_json))
        print(f"{name}_{number}.png")


def main() -> None:
    # The package wants a key even where the service does not: `comfywire keys create me` makes one.
    client = OpenAI(base_url=f"{SERVICE}/v1", api_key=os.environ["COMFYWIRE_KEY"])
    save("boat", client.images.generate(model="draw", prompt="a boat", size="128x128", n=2))
    with Path("boat_0.png").open("rb") as picture:
        save("edited", client.images.edit(model="edit", image=picture, prompt=""))  # it reads no words


main()
