"""A node that writes down each time it runs, where no `kill -9` of its server can take it back."""

import json
import os
import time
from pathlib import Path
from typing import Any


class Mark:
    """Hands its picture on, after some time, and says so in $MARKS before and after."""

    CATEGORY = "test"
    FUNCTION = "mark"
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name for it
        return {
            "required": {
                "image": ("IMAGE",),
                "mark": ("STRING", {"default": ""}),
                "seconds": ("FLOAT", {"default": 0.0}),
                "fails": ("BOOLEAN", {"default": False}),
            }
        }

    def mark(self, image: Any, mark: str, seconds: float, fails: bool) -> tuple[Any]:
        note(mark, "begin")
        time.sleep(seconds)
        if fails:
            raise ValueError("this one was to fail")
        note(mark, "end")
        return (image,)


def note(mark: str, what: str) -> None:
    line = json.dumps({"mark": mark, "what": what, "at": time.time(), "server": os.getpid()})
    with Path(os.environ["MARKS"]).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


NODE_CLASS_MAPPINGS = {"Mark": Mark}
