"""What is given for an input is in the prompt that ran, by the server's own history, or an error names it.

``COMFYWIRE_GIVEN_EXAMPLES=10000 pytest tests/conformance/test_given.py --comfyui URL --hypothesis-seed=N``
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conformance.given import PLACES, VALUES, Given, Place, as_text, graph, has_arrived, png

from comfywire import Client, ComfywireError, JobError, Upload, sync
from comfywire.cli.main import main

EXAMPLES = int(os.environ.get("COMFYWIRE_GIVEN_EXAMPLES", "25"))
NOTHING_RAN = object()
WAYS = ("inputs", "blocking", "attribute", "toml", "-p", "--set")


@dataclass
class Bench:
    """A server, and clients of it that stay open."""

    url: str
    runner: asyncio.Runner
    client: Client
    blocking: sync.Client
    picture: str

    def fetch(self, name: str) -> bytes:
        upload = Upload.named(name)
        return self.blocking.view(upload.filename, subfolder=upload.subfolder, type=upload.type)

    def prompt_of(self, prompt_id: str) -> Any:
        entry = self.blocking.history(prompt_id).get(prompt_id)
        return NOTHING_RAN if entry is None else entry["prompt"][2]


@pytest.fixture(scope="module")
def bench(place: Any) -> Iterator[Bench]:
    with asyncio.Runner() as runner, sync.Client(place.url) as blocking:
        client = Client(place.url)
        runner.run(client.__aenter__())
        try:
            upload = blocking.upload(png(200), name="given.png", subfolder="comfywire-conformance")
            yield Bench(place.url, runner, client, blocking, str(upload))
        finally:
            runner.run(client.__aexit__(None, None, None))


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(place=st.sampled_from(PLACES), data=st.data(), value=VALUES, way=st.sampled_from(WAYS))
@pytest.mark.hostile
@pytest.mark.timeout(0 if EXAMPLES > 100 else 120)
def test_nothing_that_is_given_vanishes(
    bench: Bench, place: Place, data: st.DataObject, value: Given, way: str
):
    name = data.draw(st.sampled_from(place.names), label="name")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as opened:
        made = value.make(Path(folder))
        if hasattr(made, "close") and hasattr(made, "read"):
            opened.callback(made.close)

        prompt_id, error = attempt(bench, way, (place, name, made), Path(folder))

        ran = bench.prompt_of(prompt_id)
        if ran is NOTHING_RAN:
            assert is_named(str(error), place, name), f"{error!r} names neither input nor value"
            return
        there = ran[place.node_id]["inputs"][place.input]
        # A name that is written into the graph is that name, whatever stands on this disk.
        is_literal = way == "attribute" and isinstance(made, str) and made == there
        if way.startswith("-") and not isinstance(value.content, bytes | tuple):
            is_literal = there == as_text(made)  # what is typed is text, for a name as for a word
        assert is_literal or has_arrived(place, value, made, there, bench.fetch), f"{there!r} ran"


def attempt(
    bench: Bench, way: str, what: tuple[Place, str, Any], folder: Path
) -> tuple[str, Exception | None]:
    """Return under which id the workflow was to run, and what was raised."""
    prompt_id = str(uuid.uuid4())
    try:
        return give(bench, way, what, prompt_id, folder), None
    except JobError as error:  # it was queued, and the node did not like it: history has it all the same
        return error.prompt_id, error
    except (ComfywireError, TypeError, ValueError, AttributeError) as error:
        return prompt_id, error


def is_named(message: str, place: Place, name: str) -> bool:
    """Whether it says which input is meant: the node and its input, or the name that was given.

    That a word stands in it is not enough: "cannot identify image file" names no input.
    """
    given = re.escape(name.rsplit(".", maxsplit=1)[-1])
    of_node = rf"\bnode {place.node_id} \([^\n]*\): '?{place.input}\b"
    by_name = (
        rf"\b(parameter|input) '({re.escape(name)}|{place.node_id}\.{place.input}|{given}|{place.input})'"
    )
    as_typed = rf"'{re.escape(name)}="
    return re.search(f"{of_node}|{by_name}|{as_typed}", message) is not None


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("node 1 (LoadImage 'Photo'): 'image' takes a file", True),
        ("node 1 (LoadImage): image 'x.png' is not offered", True),
        ("input '1.image': 'x.png' is no file here", True),
        ("parameter 'image' takes a file", True),
        ("comfywire: 'image=x.png' is not of the form NODE.INPUT=VALUE", True),
        ("node 6 (LoadImageMask): 'image' takes a file", False),
        ("cannot identify image file", False),
        ("prompt failed: node 1 (LoadImage) raised UnidentifiedImageError", False),
    ],
)
def test_an_error_names_an_input_only_as_one(message: str, expected: bool):
    assert is_named(message, PLACES[0], "image") is expected


def give(bench: Bench, way: str, what: tuple[Place, str, Any], prompt_id: str, folder: Path) -> str:
    """Run the workflow with the value given in one way, and return under which id."""
    place, name, value = what
    workflow = graph(bench.picture)
    match way:
        case "inputs":
            bench.runner.run(bench.client.run(workflow, inputs={name: value}, prompt_id=prompt_id))
        case "blocking":
            bench.blocking.run(workflow, inputs={name: value}, prompt_id=prompt_id)
        case "attribute":
            loaded = bench.runner.run(bench.client.load(workflow))
            setattr(loaded[place.node_id], place.input, value)
            bench.runner.run(bench.client.run(loaded, prompt_id=prompt_id))
        case "toml":
            path = with_parameters(folder, workflow, place, value)
            bench.runner.run(bench.client.run(path, prompt_id=prompt_id))
        case _:
            return on_the_command_line(bench, way, (place, name, value), folder)
    return prompt_id


def with_parameters(folder: Path, workflow: dict[str, Any], place: Place, value: Any) -> Path:
    """Write the workflow with a description of one parameter, whose default is the value."""
    from comfywire.workflow import Parameter, Parameters
    from comfywire.workflow.load import write_params

    path = folder / "workflow.json"
    path.write_text(json.dumps(workflow), encoding="utf-8")
    kind = "image" if place.kind == "file" else "seed" if place.kind == "seed" else "any"
    said = str(value) if isinstance(value, Path) else value
    if said is None or (isinstance(said, int) and abs(said) >= 2**63) or not is_writable(said):
        raise Refused(f"parameter '{place.input}': TOML has no word for that")
    described = Parameter(place.input, (f"{place.node_id}.{place.input}",), kind, said)
    write_params(path, Parameters({place.input: described}))
    return path


def is_writable(value: Any) -> bool:
    """Whether a file can hold it: no half a character."""
    try:
        return bool(repr(value).encode()) and "\\ud" not in ascii(value)
    except UnicodeEncodeError:
        return False


class Refused(ComfywireError):
    """The command has said no, or nobody can say it so."""


def on_the_command_line(bench: Bench, way: str, what: tuple[Place, str, Any], folder: Path) -> str:
    place, name, value = what
    text = as_text(value)
    if text is None:
        raise Refused(f"input '{place.input}': nobody can type that")
    path = folder / "workflow.json"
    path.write_text(json.dumps(graph(bench.picture)), encoding="utf-8")
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        main(["run", str(path), way, f"{name}={text}", "--json", "--no-save", "--server", bench.url])
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    submitted = [event["prompt_id"] for event in events if event["event"] == "submitted"]
    if not submitted:
        raise Refused(err.getvalue())
    return str(submitted[0])
