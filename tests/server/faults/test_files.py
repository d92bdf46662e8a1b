from __future__ import annotations

import pytest
from tests.server.wire import Wire, image

from comfywire.server import Server
from comfywire.server.faults import HOSTILE_NAMES


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
async def test_an_output_under_a_hostile_name_can_be_viewed(server: Server, wire: Wire, name):
    server.faults.files.rename(name)
    prompt_id = await wire.submit(image())
    await server.until_idle()

    output = (await wire.history(prompt_id))["outputs"]["2"]["images"][0]
    status, content = await wire.get("/view", params=output)

    assert output["filename"] == name
    assert (status, content[:4]) == (200, b"\x89PNG")


async def test_hostile_names_never_reach_the_disk(server: Server, wire: Wire):
    for name in HOSTILE_NAMES:
        server.faults.files.rename(name)
        await wire.submit(image(hash(name) & 0xFFFFFF))
    await server.until_idle()

    files = [path for path in server.folder.rglob("*") if path.is_file()]

    assert len(files) == len(HOSTILE_NAMES)
    assert {path.parent for path in files} == {server.folder / "output"}


async def test_a_vanished_file_is_not_found(server: Server, wire: Wire):
    await wire.submit(image())
    await server.until_idle()

    server.faults.files.vanish("test_00001_.png")

    assert (await wire.get("/view?filename=test_00001_.png"))[0] == 404
