from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def done(comfywire, server, picture) -> str:
    return comfywire("run", picture, "--json", "--no-save").result["prompt_id"]


def test_download_saves_what_a_prompt_produced(comfywire, done):
    finished = comfywire("download", done, "--out", "got")

    assert (finished.status, finished.out) == (0, "got/test_00001_.png\n")
    assert Path("got/test_00001_.png").read_bytes().startswith(b"\x89PNG")


def test_download_speaks_json(comfywire, done):
    [output] = json.loads(comfywire("download", done, "--json").out)

    assert (output["kind"], output["path"]) == ("image", "test_00001_.png")


def test_download_saves_what_was_finished_before_a_failure(comfywire, server, half):
    prompt_id = comfywire("run", half, "--json", "--no-save").result["prompt_id"]

    finished = comfywire("download", prompt_id)

    assert (finished.status, finished.out) == (1, "test_00001_.png\n")
    assert "TestAsyncError" in finished.err


def test_download_waits_for_a_prompt_that_runs(start, server, half):
    rule = server.faults.nodes.hold(node_id="2")
    prompt_id = json.loads(start("run", half, "--json", "--no-save").line())["prompt_id"]
    waiting = start("download", prompt_id)
    server.wait(server.until(lambda: server.requests["GET /queue"] > 0), timeout=60)

    rule.release()

    assert waiting.line() == "test_00001_.png\n"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        pytest.param([], "a.bin", id="its-own-name"),
        pytest.param(["--name", "b.bin"], "b.bin", id="another-name"),
        pytest.param(["--subfolder", "deep/er"], "deep/er/a.bin", id="a-subfolder"),
        pytest.param(["--type", "temp"], "a.bin [temp]", id="another-root"),
    ],
)
def test_upload_prints_the_name_that_a_workflow_takes(comfywire, server, options, name):
    Path("a.bin").write_bytes(b"content")

    assert comfywire("upload", "a.bin", *options).out == f"{name}\n"


@pytest.mark.parametrize("name", ["../cat.png", "/cat.png", "a/", "line\nend.png"])
def test_a_name_that_no_upload_can_have_is_no_bug(comfywire, server, name):
    Path("a.bin").write_bytes(b"content")

    finished = comfywire("upload", "a.bin", "--name", name)

    assert (finished.status, finished.out) == (2, "")
    assert "name" in finished.err
    assert "bug" not in finished.err
    assert finished.err.count("\n") == 1


def test_upload_does_not_replace_other_content_unless_told(comfywire, server):
    for content in (b"one", b"two"):
        Path("a.bin").write_bytes(content)
        comfywire("upload", "a.bin")

    assert comfywire("upload", "a.bin", "--overwrite").out == "a.bin\n"
    assert (server.folder / "input" / "a.bin").read_bytes() == b"two"
    assert (server.folder / "input" / "a (1).bin").read_bytes() == b"two"


def test_upload_of_several_files_speaks_json(comfywire, server):
    for name in ("a.bin", "b.bin"):
        Path(name).write_bytes(name.encode())

    uploads = json.loads(comfywire("upload", "a.bin", "b.bin", "--json").out)

    assert [upload["filename"] for upload in uploads] == ["a.bin", "b.bin"]


def test_one_name_is_not_for_several_files(comfywire, server):
    for name in ("a.bin", "b.bin"):
        Path(name).write_bytes(b"")

    assert comfywire("upload", "a.bin", "b.bin", "--name", "c").status == 2
