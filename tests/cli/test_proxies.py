"""A proxy that knows nothing of WebSockets: the command works by reading alone, and says so once."""

from __future__ import annotations

import json

import pytest
from tests.cli.conftest import save
from tests.cli.test_silence import Lines, Terminal
from tests.client.test_life import PROXIES, proxy
from tests.server.wire import image

from comfywire.server import Server

TOLD = "no events come from "


async def all_lines(*arguments: str) -> tuple[int, list[str]]:
    running = await Lines.begin(*arguments)
    out, _ = await running.process.communicate()
    return running.process.returncode or 0, out.decode().splitlines()


@pytest.mark.parametrize("sockets", ["bad-request", "closed-without-a-word"])
async def test_a_run_saves_its_results_and_says_once_what_is_missing(here, sockets: str):
    async with Server() as server, proxy(server, PROXIES[sockets]) as url:
        picture = save("picture.json", image())
        status, lines = await all_lines("run", picture, "--server", url, "--out", "out", "--repeat", "2")

    assert status == 0
    assert [line.startswith(f"{TOLD}{url} (") for line in lines].count(True) == 1
    assert [line for line in lines if "pass WebSockets on /ws" in line and TOLD not in line] == []
    assert len(list((here / "out").iterdir())) == 2


async def test_a_program_and_a_terminal_are_told_too(here):
    async with Server() as server, proxy(server, PROXIES["not-found"]) as url:
        picture = save("picture.json", image())
        shown = await Terminal.begin("run", picture, "--server", url, "--no-save")
        status, lines = await all_lines("run", picture, "--server", url, "--no-save", "--json")
        on_terminal = await shown.until("done in ")
        await shown.close()

    notes = [event["message"] for event in map(json.loads, lines) if event["event"] == "note"]
    assert (status, [note.startswith(f"{TOLD}{url} (") for note in notes]) == (0, [True])
    assert on_terminal.count(TOLD) == 1
