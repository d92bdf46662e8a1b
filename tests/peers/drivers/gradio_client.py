"""Gradio's own client, which fills in a form and presses its button."""

import base64
import json
import sys
from pathlib import Path

from gradio_client import Client  # type: ignore[import-not-found,unused-ignore]


def main() -> None:
    client = Client(sys.argv[1], verbose=False)
    made = client.predict(*json.load(sys.stdin)["values"])
    print(json.dumps([base64.b64encode(Path(each["image"]).read_bytes()).decode() for each in made]))


main()
