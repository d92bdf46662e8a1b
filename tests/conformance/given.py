"""Values of every kind, every way to give them, and whether they are in the prompt that ran."""

from __future__ import annotations

import io
import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image
from tests.conformance.graphs import node

from comfywire import Client, Upload

WORDS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


@dataclass(frozen=True)
class Place:
    """An input, and the names by which it is reached."""

    node_id: str
    input: str
    kind: str
    names: tuple[str, ...]


PLACES = [
    Place("1", "image", "file", ("1.image", "Photo.image", "image")),
    Place("6", "image", "file", ("6.image", "LoadImageMask.image")),
    Place("2", "width", "number", ("2.width", "EmptyImage.width", "width")),
    Place("2", "batch_size", "number", ("2.batch_size", "batch_size")),
    Place("3", "upscale_method", "choice", ("3.upscale_method", "ImageScale.upscale_method")),
    Place("4", "value", "text", ("4.value", "PrimitiveString.value", "words")),
    Place("5", "value", "flag", ("5.value", "PrimitiveBoolean.value", "flag")),
    Place("7", "value", "number", ("7.value", "PrimitiveFloat.value")),
    Place("8", "noise_seed", "seed", ("8.noise_seed", "RandomNoise.noise_seed", "seed")),
    Place("9", "source", "any", ("9.source", "Anything.source")),
    Place("3", "image", "link", ("3.image", "ImageScale.image")),
]


def graph(picture: str) -> dict[str, Any]:
    """Nodes that take all kinds of values, and are quick; ``picture`` is on the server."""
    prompt = {
        "1": node("LoadImage", image=picture),
        "2": node("EmptyImage", width=8, height=8, batch_size=1, color=random.randrange(1 << 24)),
        "3": node(
            "ImageScale", image=["2", 0], upscale_method="nearest-exact", width=8, height=8, crop="disabled"
        ),
        "4": node("PrimitiveString", value="as it was"),
        "5": node("PrimitiveBoolean", value=False),
        "6": node("LoadImageMask", image=picture, channel="red"),
        "7": node("PrimitiveFloat", value=0.5),
        "8": node("RandomNoise", noise_seed=3),
        "9": node("PreviewAny", source="as it was"),
    }
    shown = [("1", 0), ("3", 0), ("4", 0), ("5", 0), ("6", 0), ("7", 0), ("8", 0)]
    outputs = {f"1{origin}": node("PreviewAny", source=[origin, slot]) for origin, slot in shown}
    titles = {"1": "Photo", "4": "words", "5": "flag", "9": "Anything"}
    for node_id, title in titles.items():
        prompt[node_id]["_meta"] = {"title": title}
    return {**prompt, **outputs}


def png(shade: int) -> bytes:
    encoded = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 7, 99)).save(encoded, "PNG")
    return encoded.getvalue()


class Unreadable:
    """A value that nobody can make sense of."""

    def __repr__(self) -> str:
        return "<Unreadable>"


@dataclass(frozen=True)
class Given:
    """A value as a caller gives it, made when it is needed; ``content`` is what of it should arrive."""

    label: str
    make: Callable[[Path], Any]
    content: Any = None

    def __repr__(self) -> str:
        return self.label


def _plain(value: Any) -> Given:
    return Given(repr(value), lambda _: value, value)


def _file(label: str, make: Callable[[Path, bytes], Any]) -> st.SearchStrategy[Given]:
    def of_shade(shade: int) -> Given:
        content = png(shade)
        return Given(f"{label}({shade})", lambda at: make(at, content), content)

    return st.integers(0, 3).map(of_shade)


def _written(folder: Path, content: bytes, name: str = "a photo.png") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def _opened(folder: Path, content: bytes) -> io.BytesIO:
    stream = io.BytesIO(b"skipped" + content)
    stream.seek(7)
    return stream


TELLING = [
    *("", " ", "random", "nope.png", "sub/nope.png", "~/nope.png", ".", "..", "12", "1e3", "true", "None"),
    *("null", '["2", 0]', '{"a": 1}', "euler", "lanczos", "nearest-exact", "C:\\nope.png"),
    *("https://example.org/a.png", "nope.png [output]", "blake3:00", "a=b", "words", "{a|b}", "\ud800"),
    "x" * 300,
]
TEXTS = st.text(max_size=12).filter(lambda text: "\0" not in text) | st.sampled_from(TELLING)
NUMBERS = st.one_of(
    st.integers(-3, 70),
    st.integers(),
    st.sampled_from([2**63 - 1, 2**64 - 1, 2**64]),
    st.floats(-10, 10),
    st.floats(),
)
SCALARS = st.one_of(TEXTS, NUMBERS, st.booleans(), st.none()).map(_plain)
JSON = st.recursive(
    st.one_of(TEXTS, NUMBERS, st.booleans(), st.none()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
).map(_plain)
FILES = st.one_of(
    _file("bytes", lambda _, content: content),
    _file("bytearray", lambda _, content: bytearray(content)),
    _file("memoryview", lambda _, content: memoryview(content)),
    _file("Path", _written),
    _file("str", lambda at, content: str(_written(at, content))),
    _file("PathNoSuffix", lambda at, content: _written(at, content, "photo")),
    _file("BytesIO", _opened),
    _file("open", lambda at, content: _written(at, content).open("rb")),
)
PICTURES = st.one_of(
    st.just(Given("Pillow", lambda _: Image.new("RGB", (8, 8), "red"), (255, 0, 0))),
    st.just(Given("array", lambda _: np.full((8, 8, 3), 9, np.uint8), (9, 9, 9))),
    st.just(Given("floats", lambda _: np.ones((1, 8, 8, 3), np.float32), (255, 255, 255))),
)
ODD = st.sampled_from(
    [
        Given("missing Path", lambda at: at / "nope.png"),
        Given("missing str", lambda at: str(at / "nope.png")),
        Given("folder", lambda at: at),
        Given("home", lambda _: Path("~/nope.png")),
        Given("text file", lambda at: _written(at, b"x", "words.txt").open()),
        Given("Upload of nobody", lambda _: Upload("nope-at-all.png", "x")),
        Given("set", lambda _: {1, 2}),
        Given("Decimal", lambda _: Decimal("1.5")),
        Given("object", lambda _: Unreadable()),
        Given("class", lambda _: Client),
        Given("array of words", lambda _: np.array(["a"])),
        Given("list of Paths", lambda at: [at / "nope.png", 1, 2]),
        Given("int64", lambda _: np.int64(16), 16),
        Given("float32", lambda _: np.float32(0.5), 0.5),
        Given("tuple", lambda _: (1, 2, 3), [1, 2, 3]),
    ]
)
VALUES = st.one_of(SCALARS, JSON, FILES, PICTURES, ODD)


def has_arrived(place: Place, given: Given, value: Any, there: Any, fetch: Callable[[str], bytes]) -> bool:
    """Tell whether ``there``, which the prompt that ran had, is what was given."""
    if place.kind == "file" and isinstance(given.content, bytes):
        return isinstance(there, str) and fetch(there) == given.content
    if place.kind == "file" and isinstance(given.content, tuple):
        with Image.open(io.BytesIO(fetch(there))) as picture:
            return picture.convert("RGB").getpixel((0, 0)) == given.content
    if place.kind == "seed" and isinstance(value, str) and value.strip() == "random":
        return isinstance(there, int)
    if isinstance(given.content, bytes | tuple) or given.content is None:
        return _is_same(value, there)
    return _is_same(given.content, there)


def _is_same(value: Any, there: Any) -> bool:
    """Whether it is equal as JSON has it, or as what the input takes it for."""
    if isinstance(value, list | tuple) and isinstance(there, list):
        return len(value) == len(there) and all(map(_is_same, value, there))
    if isinstance(value, dict) and isinstance(there, dict):
        if set(value) == {"__value__"}:
            return _is_same(value["__value__"], there)
        return value.keys() == there.keys() and all(_is_same(value[key], there[key]) for key in value)
    if type(value) is type(there) and value == there:
        return True
    if isinstance(there, bool) and isinstance(value, int | float):
        return bool(value == there)
    if isinstance(there, bool):
        return WORDS.get(str(value).strip().lower()) is there
    if isinstance(value, bool) or value is None or isinstance(there, bool):
        return False
    return str(value).strip() == str(there).strip() or _is_same_number(value, there)


def _is_same_number(value: Any, there: Any) -> bool:
    try:
        if isinstance(there, int):
            is_whole = isinstance(value, str) and value.strip().lstrip("+-").isdigit()
            return bool(there == (int(value) if is_whole else float(value)))
        return float(value) == float(there) or (math.isnan(float(value)) and math.isnan(float(there)))
    except (TypeError, ValueError, OverflowError):
        return False


def as_text(value: Any) -> str | None:
    """How somebody types a value on the command line; None for what nobody can."""
    if isinstance(value, str | Path):
        return str(value)
    try:
        return json.dumps(value)
    except TypeError:
        return None
