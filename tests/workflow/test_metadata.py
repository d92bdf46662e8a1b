"""Files made by writers that are not ours (files/make_files.py), and what is found in them."""

import io
from pathlib import Path

import pytest

from comfywire.errors import UnreadableWorkflow
from comfywire.workflow import Workflow
from comfywire.workflow.metadata.bounded import BoundedFile
from comfywire.workflow.metadata.find import find_in_file, format_of

FILES = Path(__file__).parent / "files"
WITHOUT = {"plain.png", "a1111.png", "a1111.jpg"}
NAMES = sorted(
    path.name for path in FILES.iterdir() if path.suffix not in {".py", ".md", ".pyc"} and path.is_file()
)
PROMPT = {
    "3": {
        "class_type": "EmptyImage",
        "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 8388736},
        "_meta": {"title": "Violet ščř"},
    },
    "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "violet"}},
}


@pytest.mark.parametrize("name", sorted({*NAMES} - WITHOUT))
def test_a_saved_file_gives_back_the_prompt_that_ran_with_the_document(name):
    loaded = Workflow.load(FILES / name)

    assert loaded.prompt == PROMPT
    assert loaded.document is not None
    assert [node["type"] for node in loaded.document["nodes"]] == ["EmptyImage", "SaveImage"]


@pytest.mark.parametrize("name", ["animated.png", "keys.mp4", "comments.opus", "metadata.latent"])
def test_the_name_of_a_file_says_nothing(name, tmp_path):
    (tmp_path / "picture.txt").write_bytes((FILES / name).read_bytes())

    assert Workflow.load(tmp_path / "picture.txt").prompt == PROMPT


@pytest.mark.parametrize("path", sorted((FILES / "comfyui").iterdir()), ids=lambda path: path.name)
def test_a_file_that_a_real_comfyui_saved_gives_back_what_ran(path):
    """Each was saved by the version and the node that it is named after; the EXR is cut behind its header."""
    loaded = Workflow.load(path)

    saver = path.stem.split("-")[1]
    assert saver in {node.class_type for node in loaded}
    assert loaded.document == {"nodes": [{"id": 1, "type": "EmptyImage"}], "links": [], "version": 0.4}


def test_bytes_of_a_file_are_recognised():
    assert Workflow.load((FILES / "text.png").read_bytes()).prompt == PROMPT


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("plain.png", "'plain.png' is a PNG without a workflow in it", id="nothing-in-it"),
        pytest.param("a1111.png", "a PNG with the parameters of another program", id="parameters-of-a1111"),
        pytest.param("a1111.jpg", "a JPEG with the parameters of another program", id="parameters-in-exif"),
    ],
)
def test_a_file_without_a_workflow_says_what_it_is(name, message):
    with pytest.raises(UnreadableWorkflow, match=message):
        Workflow.load(FILES / name)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_cut_anywhere_gives_the_workflow_or_a_sentence(name):
    whole = (FILES / name).read_bytes()

    outcomes = {outcome(whole[:length]) for length in range(1, len(whole), 1 + len(whole) // 80)}

    assert outcomes <= {"found", "refused"}
    assert "refused" in outcomes


def outcome(content: bytes) -> str:
    known = format_of(content)
    try:
        assert known is None or find_in_file(io.BytesIO(content), known, where="it")
    except UnreadableWorkflow:
        return "refused"
    return "refused" if known is None else "found"


def test_damage_behind_the_workflow_does_no_harm():
    whole = (FILES / "text.png").read_bytes()

    assert Workflow.load(whole[: whole.index(b"IDAT")]).prompt == PROMPT


def test_damage_before_the_workflow_is_named():
    whole = (FILES / "text.png").read_bytes()

    with pytest.raises(UnreadableWorkflow, match=r"a PNG that is damaged \(it breaks off\)"):
        Workflow.load(whole[:60])


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + bytes(4)


def png(*texts: tuple[str, str]) -> bytes:
    chunks = b"".join(chunk(b"tEXt", f"{key}\0{text}".encode()) for key, text in texts)
    return b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IEND", b"")


API = '{"1": {"class_type": "X"}}'
UI = '{"nodes": [], "links": []}'


@pytest.mark.parametrize(
    ("texts", "class_type", "has_document"),
    [
        pytest.param([("prompt", API)], "X", False, id="only-a-prompt"),
        pytest.param([("Prompt", API)], "X", False, id="another-case"),
        pytest.param([("prompt", "a cat"), ("prompt", API)], "X", False, id="words-under-the-same-key"),
        pytest.param(
            [("prompt", '{"1": {"class_type": "Y"}}'), ("prompt", API)], "X", False, id="the-last-counts"
        ),
        pytest.param([("prompt", API), ("prompt", "{broken")], "X", False, id="the-last-that-can-be-read"),
        pytest.param([("prompt", API), ("workflow", "{broken")], "X", False, id="a-broken-document"),
        pytest.param([("workflow", API)], "X", False, id="a-prompt-where-the-document-belongs"),
        pytest.param(
            [("comment", f'{{"prompt": {API}, "workflow": {UI}}}')], "X", True, id="both-in-a-comment"
        ),
        pytest.param([("prompt", API), ("workflow", UI)], "X", True, id="both"),
    ],
)
def test_among_several_texts_the_prompt_is_found(texts, class_type, has_document):
    loaded = Workflow.load(png(*texts))

    assert loaded["1"].class_type == class_type
    assert (loaded.document is not None) is has_document


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        pytest.param([("prompt", "{broken")], "whose workflow is not JSON that ComfyUI wrote", id="broken"),
        pytest.param([("prompt", "a cat")], "without a workflow", id="words"),
        pytest.param(
            [("Comment", '{"prompt": "1girl", "steps": 28}')], "without a workflow", id="another-program"
        ),
        pytest.param(
            [("parameters", '{"sui": 1}')], "parameters of another program", id="parameters-as-json"
        ),
    ],
)
def test_texts_that_are_no_workflow_say_what_they_are(texts, message):
    with pytest.raises(UnreadableWorkflow, match=message):
        Workflow.load(png(*texts))


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"<html><svg>", id="a-page"),
        pytest.param(b"%PDF-1.7", id="a-pdf"),
        pytest.param(b"RIFF\0\0\0\0WAVE", id="a-wav"),
        pytest.param(b'{"a": 1}', id="json"),
        pytest.param(b"\xff\xfe{\0", id="utf-16"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_other_files_are_not_taken_for_these(head):
    assert format_of(head) is None


def test_reading_stops_at_a_disk_that_fails():
    class Failing(io.BytesIO):
        def read(self, *_):
            raise OSError(5, "Input/output error")

    known = format_of((FILES / "text.png").read_bytes())

    assert known is not None
    with pytest.raises(UnreadableWorkflow, match="it cannot be read: Input/output error"):
        find_in_file(Failing(b"x" * 100), known, where="it")


def test_a_bounded_file_knows_its_size():
    assert BoundedFile(io.BytesIO(b"12345")).size == 5
