"""The cases of ``../shared/cases/client``, each with the right answer that its README gives.

``pytest tests/conformance/test_cases.py --comfyui URL --comfyui-input FOLDER`` asks a real server. The nodes
of c03 and c07 are no part of ComfyUI: their ``nodes.py`` has to be installed there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.client.models_3d import CRATE
from tests.client.test_suffixes import picture, recording
from tests.conformance.conftest import Place
from tests.conformance.given import png
from tests.conformance.graphs import FOLDER, node

from comfywire import JobFailed, WorkflowRejected, sync
from comfywire.cli.main import main

CASES = Path(__file__).parents[2].parent / "shared" / "cases" / "client"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases of ../shared are not here")
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def client(place: Place) -> Iterator[sync.Client]:
    with sync.Client(place.url) as client:
        yield client


@pytest.fixture
def comfywire(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """The command at the server, in an empty folder; it returns its status and what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(command: str, *arguments: str | Path) -> tuple[int, str, str]:
        status = main([command, *map(str, arguments), "--server", place.url])
        return status, *capfd.readouterr()

    return run


def case(name: str) -> Path:
    """A file of a case, by the number of the case and its own name."""
    number, _, name = name.partition("/")
    (found,) = CASES.glob(f"{number}_*/{name}")
    return found


def graph(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(case(name).read_text("utf-8"))
    return read


def needs(place: Place, *class_types: str) -> None:
    if missing := [class_type for class_type in class_types if class_type not in place.node_types]:
        pytest.skip(f"{place.url} has no node {', '.join(missing)}")


def ran(place: Place, lines: str) -> Any:
    """The graph that the server's history has of the prompt that ``run --json`` tells of."""
    prompt_id = json.loads(lines.splitlines()[-1])["prompt_id"]
    return place.read(f"/history/{prompt_id}")[prompt_id]["prompt"][2]


# What comes out


def test_c01_models_are_fetched_as_files(place: Place, comfywire: Command, tmp_path: Path):
    needs(place, "Load3DAdvanced", "Save3DAdvanced", "Preview3DAdvanced", "Preview3D")
    assert comfywire("upload", case("c01/tri.obj"), "--subfolder", "3d")[0] == 0

    status, out, _ = comfywire("run", case("c01/save3d.json"), "--out", tmp_path / "out", "--json")

    told = json.loads(out.splitlines()[-1])["outputs"]
    names = [(each["filename"].partition("_")[0][:9], each["type"]) for each in told]
    assert sorted(names) == [("crate", "output"), ("preview3d", "output"), ("preview3d", "temp")]
    assert (status, {each["kind"] for each in told}) == (0, {"3d"})
    saved = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in saved] == [case("c01/tri.obj").read_bytes()] * 3
    assert [path.suffix for path in saved] == [".obj"] * 3
    assert [path.parent.name for path in saved if path.name.startswith("crate")] == ["props"]


def test_c01_a_preview_of_a_named_model_is_that_model(place: Place, client: sync.Client):
    upload = client.upload(CRATE, name="case.obj", subfolder="3d")

    result = client.run({"1": node("Preview3D", model_file=str(upload))})

    assert [(output.kind, output.read()) for output in result] == [("3d", CRATE)]


def test_c03_a_text_of_letters_is_one_text(place: Place, comfywire: Command, tmp_path: Path):
    needs(place, "BCPlainText")

    status, out, _ = comfywire("run", case("c03/caption.json"), "--out", tmp_path / "out", "--json")

    text = graph("c03/caption.json")["1"]["inputs"]["text"]
    assert len(text) >= 3000
    assert (status, [each["value"] for each in json.loads(out.splitlines()[-1])["outputs"]]) == (0, [text])
    assert [path.read_text("utf-8") for path in (tmp_path / "out").iterdir()] == [text]


def test_c08_a_node_of_the_browser_alone_runs_and_its_picture_is_saved(
    place: Place, comfywire: Command, tmp_path: Path
):
    status, _, err = comfywire("run", case("c08/note_plus.json"), "--out", tmp_path / "out")

    assert (status, err) == (0, "")
    (saved,) = (tmp_path / "out").iterdir()
    assert re.fullmatch(r"deco_\d+_\.png", saved.name)
    assert saved.read_bytes().startswith(b"\x89PNG")


# What goes in

GREATEST = {"seednode": 2**63 - 1, "ideogram": 2**31 - 1}


@pytest.mark.parametrize("bits", [0, 2**31, 2**63, 2**64 - 1])
@pytest.mark.parametrize("file", GREATEST)
def test_c02_a_drawn_seed_is_one_that_the_node_takes(
    place: Place, comfywire: Command, monkeypatch: pytest.MonkeyPatch, file: str, bits: int
):
    """Where nobody has logged in, IdeogramV3 fails: after it was queued."""
    needs(place, graph(f"c02/{file}.json")["1"]["class_type"])
    monkeypatch.setattr("secrets.randbits", lambda _: bits)

    _, out, _ = comfywire("run", case(f"c02/{file}.json"), "-p", "seed=random", "--no-save", "--json")

    seed = ran(place, out)["1"]["inputs"]["seed"]
    assert 0 <= seed <= GREATEST[file]
    assert json.loads(out.splitlines()[-1])["inputs"]["seed"] == seed


def colour(client: sync.Client, file: Path) -> bytes:
    """The picture that comes of a file."""
    result = client.run(
        {"1": node("LoadImage", image="x.png"), "2": node("PreviewImage", images=["1", 0])},
        inputs={"image": str(file)},
    )
    return bytes(result.images[0].image().convert("RGB").tobytes()[:3])


@pytest.mark.parametrize("how", ["deleted", "overwritten by itself", "overwritten by another"])
def test_c04_a_file_that_changed_on_the_server_is_sent_again(
    place: Place, client: sync.Client, tmp_path: Path, how: str
):
    if place.input is None:
        pytest.skip("where the server keeps its input files is not known: say so with --comfyui-input")
    shade = {"deleted": 61, "overwritten by itself": 62, "overwritten by another": 63}[how]
    red, blue = png(shade), png(164)  # of one length, and as an earlier run of this has left them
    (tmp_path / "case_photo.png").write_bytes(red)
    first = colour(client, tmp_path / "case_photo.png")

    copies = [path for path in place.input.rglob("*.png") if path.is_file() and path.read_bytes() == red]
    with sync.Client(place.url) as other:
        for path in copies:
            if how == "deleted":
                path.unlink()
                continue
            where = path.relative_to(place.input)
            writer = client if how == "overwritten by itself" else other
            writer.upload(blue, name=where.name, subfolder=where.parent.as_posix(), overwrite=True)

    assert copies
    assert (first, colour(client, tmp_path / "case_photo.png")) == (bytes((shade, 7, 99)),) * 2


def test_c05_a_file_that_came_after_the_first_validation_is_known(client: sync.Client):
    for name in ("case_first.png", "case_late.png"):
        upload = client.upload(png(5), name=name, subfolder=FOLDER)

        shown = {"1": node("LoadImage", image=str(upload)), "2": node("PreviewImage", images=["1", 0])}

        assert len(client.run(shown, validate=True)) == 1


def test_c07_nodes_are_given_the_keys_that_are_hidden_from_the_graph(place: Place, client: sync.Client):
    needs(place, "BCSecret")
    keys = {"api_key_comfy_org": "K", "auth_token_comfy_org": "T"}

    result = client.submit({"1": node("BCSecret", text="q")}, extra_data=keys).result()

    assert [text.value for text in result.texts] == ["auth=T key=K"]


def test_c10_the_folder_in_the_name_of_an_upload_is_kept(
    place: Place, client: sync.Client, comfywire: Command, tmp_path: Path
):
    (tmp_path / "photo.png").write_bytes(png(10))

    status, out, _ = comfywire("upload", "photo.png", "--name", f"{FOLDER}/assets/cat.png", "--overwrite")
    upload = client.upload(png(11), name=f"{FOLDER}/assets/dog.png", overwrite=True)

    assert (status, out) == (0, f"{FOLDER}/assets/cat.png\n")
    assert (upload.filename, upload.subfolder) == ("dog.png", f"{FOLDER}/assets")
    kept = [client.view(name, subfolder=f"{FOLDER}/assets", type="input") for name in ("cat.png", "dog.png")]
    assert kept == [png(10), png(11)]


FILES = {
    "mp4": lambda: recording("mp4", "mpeg4"),
    "webm": lambda: recording("webm", "libvpx-vp9"),
    "mkv": lambda: recording("matroska", "mpeg4"),
    "mov": lambda: recording("mov", "mpeg4"),
    "mp3": lambda: recording("mp3", "libmp3lame", is_sound=True),
    "m4a": lambda: recording("ipod", "aac", is_sound=True),
    "avif": lambda: picture("AVIF"),
    "bmp": lambda: picture("BMP"),
    "tiff": lambda: picture("TIFF"),
}


LOADERS = {
    **dict.fromkeys(("mp3", "m4a"), ("LoadAudio", "audio")),
    **dict.fromkeys(("avif", "bmp", "tiff"), ("LoadImage", "image")),
}


@pytest.mark.parametrize("suffix", FILES)
def test_c12_bytes_are_kept_under_the_suffix_of_what_they_are(client: sync.Client, suffix: str):
    loader, name = LOADERS.get(suffix, ("LoadVideo", "file"))
    shown = {"1": node(loader, **{name: "x"}), "2": node("PreviewAny", source=["1", 0])}

    result = client.run(shown, inputs={f"1.{name}": FILES[suffix]()})

    assert re.search(rf"(^|/)[0-9a-f]{{16,}}\.{suffix}$", result.prompt["1"]["inputs"][name])
    assert len(result) == 1


# What is said before


def test_c11_a_chain_too_deep_for_the_server_is_named_before(client: sync.Client, comfywire: Command):
    status, out, _ = comfywire("validate", case("c11/chain1200.json"))

    assert (status, out.split(":")[0]) == (1, "refused")
    assert "it hangs on a chain of 1201 linked nodes" in out
    with pytest.raises(WorkflowRejected, match="recursion"):
        client.run(graph("c11/chain1200.json"))


@pytest.mark.parametrize("file", ["loadimage", "loadvideo"])
def test_c13_an_empty_name_is_queued_and_fails(client: sync.Client, comfywire: Command, file: str):
    status, out, _ = comfywire("validate", case(f"c13/{file}.json"))

    assert (status, out.split(":")[0]) == (1, "fails")
    with pytest.raises(JobFailed):
        client.run(graph(f"c13/{file}.json"))
