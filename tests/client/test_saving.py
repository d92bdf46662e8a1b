from __future__ import annotations

import asyncio
import tracemalloc
from pathlib import Path

import pytest
from tests.client.graphs import file, image, over_socket, show

from comfywire import Client
from comfywire.client.saving import Place, write_whole
from comfywire.server import Server
from comfywire.server.faults import HOSTILE_NAMES

pytestmark = pytest.mark.fault("B17")


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def prepare(folder: Path) -> Path:
    """A folder to save in, with a neighbour that nothing may reach."""
    target = folder / "target"
    target.mkdir()
    (folder / "neighbour").mkdir()
    return target


HOSTILE = [
    *HOSTILE_NAMES,
    "../../x",
    "/etc/x",
    "CON",
    "x\x00y",
    "a/b.png",
    "~/x.png",
    "$(x).png",
    "-rf",
    "\n",
    "..",
]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
@pytest.mark.parametrize("how", ["output.save", "result.save"])
async def test_a_hostile_name_is_saved_inside_the_folder_with_the_right_bytes(
    server: Server, client: Client, tmp_path: Path, name, how
):
    server.faults.files.rename(name)
    result = await client.run(image(0x123456))
    target = prepare(tmp_path)

    saved = await (result.outputs[0].save(target) if how == "output.save" else result.save(target))

    path = saved if isinstance(saved, Path) else saved[0]
    assert result.outputs[0].filename == name
    assert files_below(tmp_path) == [path]
    assert path.parent == target
    assert path.name.isprintable()
    assert content_of(path) == (server.folder / "output/test_00001_.png").read_bytes()


@pytest.mark.parametrize(
    ("subfolder", "inside"),
    [
        pytest.param("a/b", "a/b", id="harmless"),
        pytest.param("../../neighbour", "neighbour", id="up"),
        pytest.param("/etc", "etc", id="absolute"),
        pytest.param("link", ".", id="a-symlink-out-of-the-folder"),
        pytest.param("link/deeper", ".", id="below-a-symlink"),
        pytest.param("a b&c#1", "a b&c#1", id="marks"),
    ],
)
async def test_a_subfolder_of_the_server_stays_inside(server, client, tmp_path: Path, subfolder, inside):
    server.faults.files.rename("x.png", subfolder=subfolder)
    result = await client.run(image())
    target = prepare(tmp_path)
    (target / "link").symlink_to(tmp_path / "neighbour")

    (path,) = await result.save(target)

    assert path == target / inside / "x.png"
    assert sorted(files_below(tmp_path)) == sorted([path, target / "link"])


@pytest.mark.parametrize("points_to", ["neighbour/victim", "nowhere"])
async def test_a_symlink_under_the_name_is_left_alone(client: Client, tmp_path: Path, points_to):
    target = prepare(tmp_path)
    victim = tmp_path / "neighbour/victim"
    victim.write_text("precious")
    (target / "a.png").symlink_to(tmp_path / points_to)

    (path,) = await (await client.run(show(images=[file("a.png")]))).save(target)

    assert path == target / "a (1).png"
    assert (target / "a.png").is_symlink()
    assert victim.read_text() == "precious"


async def test_a_file_that_is_named_replaces_what_is_there(client: Client, tmp_path: Path):
    (tmp_path / "mine.png").write_text("old")
    (output,) = (await client.run(show(images=[file("a.png")]))).outputs

    path = await output.save(tmp_path / "mine.png")

    assert path == tmp_path / "mine.png"
    assert content_of(path) == b"content"


async def test_a_symlink_that_is_named_is_replaced_and_not_followed(client: Client, tmp_path: Path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "mine.png").symlink_to(tmp_path / "victim")
    (output,) = (await client.run(show(images=[file("a.png")]))).outputs

    await output.save(tmp_path / "mine.png")

    assert content_of(tmp_path / "mine.png") == b"content"
    assert content_of(tmp_path / "victim") == b"precious"


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        pytest.param("new/", "new/a.png", id="slash-makes-a-folder"),
        pytest.param("new/deep/mine.png", "new/deep/mine.png", id="folders-are-made"),
        pytest.param(".", "a.png", id="folder-that-exists"),
    ],
)
async def test_where_an_output_goes(client: Client, tmp_path: Path, place, expected):
    (output,) = (await client.run(show(images=[file("a.png", subfolder="sub")]))).outputs

    path = await output.save(f"{tmp_path}/{place}")

    assert path == tmp_path / expected
    assert content_of(path) == b"content"


async def test_a_name_that_is_taken_is_numbered(client: Client, tmp_path: Path):
    result = await client.run(show(images=[file("a.png"), file("a.png", type="temp"), file("a.PNG")]))

    saved = await asyncio.gather(*(output.save(tmp_path) for output in result.outputs))

    assert {path.name for path in saved} == {"a.png", "a (1).png", "a.PNG"}


async def test_a_result_saves_everything_but_values_in_order(client: Client, tmp_path: Path):
    prompt = {**show(text=["ü"], n=[1], files=[file("a.bin", subfolder="s")]), **over_socket()}

    saved = await (await client.run(prompt)).save(tmp_path / "new")

    assert [str(path.relative_to(tmp_path / "new")) for path in saved] == [
        "node9_text.txt",
        "s/a.bin",
        "node2_00001_.png",
    ]


async def test_a_file_system_without_links_is_saved_to_all_the_same(client, tmp_path: Path, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError("this file system has no hard links")

    monkeypatch.setattr("os.link", refuse)
    result = await client.run(show(images=[file("a.png")]))

    saved = [*await result.save(tmp_path), *await result.save(tmp_path)]

    assert files_below(tmp_path) == sorted(saved)
    assert [path.name for path in saved] == ["a.png", "a (1).png"]


async def test_what_is_at_hand_is_written_without_a_second_copy_in_memory(tmp_path: Path):
    content = bytes(range(256)) * (64 << 10)

    tracemalloc.start()
    try:
        path = await write_whole(Place(tmp_path / "text.txt", "text.txt"), content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert path.read_bytes() == content
    assert peak < len(content) / 2
