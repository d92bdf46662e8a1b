from uuid import UUID

import pytest

from comfywire.service.assets.file_names import FileName, is_link, replaced, texts_in

JOB = "7f3d2c1b-0000-4000-8000-000000000001"
ASSET = {"__type": "core/ASSET", "info": {"id": "x", "file_path": "cat.png"}}


@pytest.mark.parametrize(
    ("text", "folder", "parts"),
    [
        pytest.param("cat.png", "input", ["cat.png"], id="plain"),
        pytest.param("a/b/cat.png", "input", ["a", "b", "cat.png"], id="folders"),
        pytest.param("a\\cat.png", "input", ["a", "cat.png"], id="windows"),
        pytest.param("cat.png [input]", "input", ["cat.png"], id="input"),
        pytest.param("a/cat.png [output]", "output", ["a", "cat.png"], id="output"),
        pytest.param("cat.png [temp]", "temp", ["cat.png"], id="temp"),
        pytest.param("cat.pngX[output]", "output", ["cat.png"], id="any-character-before-the-mark"),
        pytest.param("cat.png [Output]", "input", ["cat.png [Output]"], id="case-counts"),
        pytest.param("a [output] cat", "input", ["a [output] cat"], id="the-mark-is-at-the-end"),
        pytest.param("./a//../cat.png", "input", ["cat.png"], id="dots"),
        pytest.param("a/../../output/cat.png", "input", None, id="out-of-the-folder"),
        pytest.param("..\\output\\cat.png", "input", None, id="out-of-it-on-windows"),
        pytest.param("/etc/passwd", "input", None, id="absolute"),
        pytest.param("\\\\host\\share", "input", None, id="a-share"),
        pytest.param("C:x", "input", None, id="a-drive"),
        pytest.param("[output]", "output", [], id="nothing-but-the-mark"),
    ],
)
def test_a_name_is_read_as_comfyui_reads_it(text: str, folder: str, parts: list[str] | None):
    name = FileName.of(text)

    assert (name.folder, name.parts) == (folder, parts)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param(f"{JOB}/x_00001_.png [output]", "x_00001_.png", id="output"),
        pytest.param(f"{JOB.upper()}/a/x.png [temp]", "a/x.png", id="a-preview-in-a-folder"),
        pytest.param(f"{JOB}\\a\\x.png [output]", "a/x.png", id="windows"),
        pytest.param(f"{JOB}/x_00001_.png", None, id="an-upload-may-be-called-so"),
        pytest.param("x_00001_.png [output]", None, id="no-job"),
        pytest.param(f"{JOB} [output]", None, id="no-name"),
    ],
)
def test_an_output_of_a_job_is_named_with_its_id(text: str, place: str | None):
    assert FileName.of(text).of_job == (None if place is None else (UUID(JOB), place))


def test_texts_are_found_in_what_wraps_them_and_not_in_links_or_assets():
    value = {"__value__": ["a", {"b": "c"}], "link": ["3", 0], "n": 1, "asset": ASSET}

    assert list(texts_in(value)) == ["a", "c"]
    assert replaced(value, str.upper) == {
        "__value__": ["A", {"b": "C"}], "link": ["3", 0], "n": 1, "asset": ASSET,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "is_one"),
    [(["1", 0], True), (["1", 0.0], True), (["1", True], True), (["1", "0"], False), (["1"], False)],
)
def test_a_link_is_a_node_and_a_slot(value: object, is_one: bool):
    assert is_link(value) is is_one
