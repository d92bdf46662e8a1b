"""Notebooks: a real Jupyter kernel, whose cells share one client, and what it is given to show."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty
from typing import Any

import pytest
from PIL import Image

from comfywire.client.results.notebook import MOST, MOST_BYTES, bring, html_of, is_notebook
from comfywire.client.results.outputs import Output
from comfywire.server import Server, server_in_thread

jupyter_client = pytest.importorskip("jupyter_client", reason="no Jupyter kernel is installed")

PATIENCE = 25
PICTURES = """
def pictures(count, color=0):
    empty = {"width": 8, "height": 8, "batch_size": count, "color": color}
    save = {"images": ["1", 0], "filename_prefix": "nb"}
    return {"1": {"class_type": "EmptyImage", "inputs": empty},
            "2": {"class_type": "SaveImage", "inputs": save}}
"""


class Notebook:
    """A kernel of its own process, spoken to as a notebook does."""

    def __init__(self) -> None:
        self._manager = jupyter_client.KernelManager()
        self._manager.start_kernel()
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=PATIENCE)

    def cell(self, code: str, *, on_shown: Callable[[str], None] | None = None) -> list[dict[str, Any]]:
        """Run a cell, and return what it showed: each message's ``msg_type`` and content."""
        shown: list[dict[str, Any]] = []

        def hear(message: dict[str, Any]) -> None:
            shown.append(_content(message))
            if on_shown is not None:
                on_shown(str(message["content"]))

        reply = self._client.execute_interactive(code, timeout=PATIENCE, output_hook=hear)
        assert reply["content"]["status"] == "ok", reply["content"]
        return shown

    def interrupt(self, code: str) -> dict[str, Any]:
        """Begin a cell, press the square once it shows something, and return its reply."""
        request = self._client.execute(code)
        while _content(self._client.get_iopub_msg(timeout=PATIENCE))["msg_type"] != "display_data":
            continue
        self._manager.interrupt_kernel()
        while True:
            reply = self._client.get_shell_msg(timeout=PATIENCE)
            if reply["parent_header"].get("msg_id") == request:
                with suppress(Empty):
                    while True:
                        self._client.get_iopub_msg(timeout=0.2)
                content: dict[str, Any] = reply["content"]
                return content

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


def _content(message: dict[str, Any]) -> dict[str, Any]:
    return {"msg_type": message["msg_type"], **message["content"]}


def of_kind(shown: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one["data"] for one in shown if one["msg_type"] == kind]


@pytest.fixture
def notebook() -> Iterator[Notebook]:
    notebook = Notebook()
    yield notebook
    notebook.close()


@pytest.fixture
def server() -> Iterator[Server]:
    with server_in_thread() as server:
        yield server


def test_one_client_lives_through_many_cells(notebook: Notebook, server: Server):
    notebook.cell("import comfywire" + PICTURES)
    notebook.cell(f"client = comfywire.Client({server.url!r}); await client.open()")
    shown = notebook.cell("result = await client.run(pictures(2)); result")

    # A bar, moved without having been asked for, and the pictures.
    bars = [data["text/html"] for data in of_kind(shown, "display_data")]
    moved = [data["text/html"] for data in of_kind(shown, "update_display_data")]
    (page,) = [data["text/html"] for data in of_kind(shown, "execute_result")]
    assert [bar.count("<progress") for bar in bars] == [1]
    assert "done after" in moved[-1]
    assert page.count("<img src=") == 2
    content = base64.b64decode(page.split("base64,")[1].split('"')[0])
    assert Image.open(io.BytesIO(content)).size == (8, 8)

    (one,) = of_kind(notebook.cell("result.outputs[0]"), "execute_result")
    assert base64.b64decode(one["image/png"]) == content
    (some,) = of_kind(notebook.cell("result.images"), "execute_result")
    assert some["text/html"].count("<img src=") == 2

    # Interrupted, the run takes its prompt back, and the client goes on.
    server.call(server.faults.nodes.hold, node_id="2")
    assert notebook.interrupt("await client.run(pictures(1, 5))")["status"] == "error"
    server.call(server.faults.clear)
    server.wait(server.until_idle())
    assert of_kind(notebook.cell("(await result.outputs[0].image()).size"), "execute_result")
    notebook.cell("assert len(await client.run(pictures(1, 7))) == 1; await client.close()")


def test_the_blocking_client_shows_the_same(notebook: Notebook, server: Server):
    notebook.cell("from comfywire.sync import Client" + PICTURES)
    notebook.cell(f"client = Client({server.url!r}); client.open()")
    shown = notebook.cell("result = client.run(pictures(10)); result")

    (page,) = [data["text/html"] for data in of_kind(shown, "execute_result")]
    assert page.count("<img src=") == MOST
    assert page.count("node 2 (SaveImage): image nb_") == 2
    assert "done after" in of_kind(shown, "update_display_data")[-1]["text/html"]
    (one,) = of_kind(notebook.cell("result.outputs[0]"), "execute_result")
    assert "image/png" in one
    (last,) = of_kind(notebook.cell("result.outputs[9]"), "execute_result")
    assert "nb_00010_.png" in last["text/html"]
    notebook.cell("assert result.outputs[9].array().shape == (8, 8, 3); client.close()")


def test_a_server_that_hangs_is_told_beside_the_bar(notebook: Notebook, server: Server):
    server.call(server.faults.replies.stall, "*", times=None)

    times: list[float] = []

    def go_on(shown: str) -> None:
        times.append(time.monotonic())
        if "does not answer" in shown:
            told.append(times[-1] - times[0])  # the bar is there just before the first request
            server.call(server.faults.clear)

    told: list[float] = []

    notebook.cell("import comfywire" + PICTURES)
    notebook.cell(f"client = await comfywire.Client({server.url!r}).open()")
    shown = notebook.cell("result = await client.run(pictures(1))", on_shown=go_on)

    moved = [data["text/html"] for data in of_kind(shown, "update_display_data")]
    assert any(f"<em>{server.url} does not answer: " in page for page in moved)
    assert told[0] <= 20  # two processes that a busy machine holds up; three seconds are in test_silence.py
    assert "<em>" not in moved[-1]


# Without a kernel


def test_these_tests_are_no_notebook():
    assert not is_notebook()


def made(filename: str | None = None, content: bytes | None = None, **more: Any) -> Output:
    kind = more.pop("kind", "image")
    return Output("9", "Show", "images", kind, filename, type="output", _content=content, **more)


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        pytest.param("a.JPG", '<img src="data:image/jpeg;base64,', id="jpeg"),
        pytest.param("a.webp", '<img src="data:image/webp;base64,', id="webp"),
        pytest.param("a.svg", '<img src="data:image/svg+xml;base64,', id="svg-which-may-run-nothing"),
        pytest.param("a.mp4", '<video controls src="data:video/mp4;base64,', id="film"),
        pytest.param("a.flac", '<audio controls src="data:audio/flac;base64,', id="sound"),
        pytest.param("a.exr", "node 9 (Show): image a.exr", id="nothing-that-browsers-show"),
        pytest.param("<b>.exr", "image &lt;b&gt;.exr", id="a-name-that-is-markup"),
    ],
)
def test_each_kind_is_shown_as_browsers_can(filename, expected):
    assert expected in html_of([made(filename, b"x")])


def test_a_text_is_shown_as_it_is_and_cut_where_it_is_long():
    page = html_of([made(kind="text", value="<a>\ud800" + "x" * 5000)])

    assert "&lt;a&gt;?xx" in page
    assert len(page) < 4300


def test_what_is_not_at_hand_has_a_line_with_its_name():
    assert "image sub/a.png [temp]" in html_of(
        [Output("9", "Show", "images", "image", "a.png", "sub", "temp")]
    )


def test_of_very_many_outputs_most_are_counted():
    assert "and 900 more" in html_of([made(kind="value", value=number) for number in range(1000)])


async def test_only_so_many_bytes_are_brought():
    large = made("a.png", bytes(MOST_BYTES - 10))
    brought: list[int] = []

    class Counted(Output):
        async def bring(self, at_most: int) -> int:
            brought.append(at_most)
            return await super().bring(at_most)

    await bring([large, Counted("9", None, "images", "image", "b.png", _content=b"x" * 10)])

    assert brought == [10]
