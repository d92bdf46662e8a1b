"""A server or service that falls silent: each form of the command says so within three seconds."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
import pytest
from tests.cli.conftest import save
from tests.cli.test_live import Screen
from tests.server.wire import sleeper
from tests.transport.relay import Relay, relay_to

from comfywire.server import Server

BOUND = 3.0
"""Seconds after the socket closed or a request failed, or of a read that has no answer."""


class Lines:
    """A command whose output, errors too, is read line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def begin(cls, *arguments: str) -> Lines:
        return cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "comfywire", *arguments),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        )

    async def until(self, words: str) -> str:
        assert self.process.stdout is not None
        while words not in (line := (await self.process.stdout.readline()).decode()):
            assert line, f"it ended without saying {words!r}"
        return line

    async def close(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()


class Terminal:
    """A command on a terminal."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._read = 0

    @classmethod
    async def begin(cls, *arguments: str) -> Terminal:
        return cls(Screen(*arguments))

    async def until(self, words: str) -> str:
        """Return what it has shown since it was last asked."""
        await asyncio.to_thread(self._screen.until, words, after=self._read)
        since, self._read = self._screen.text[self._read :], len(self._screen.text)
        return since

    async def close(self) -> None:
        await asyncio.to_thread(self._screen.close)


@dataclass(frozen=True)
class Form:
    """A command that waits, and the line over which it does."""

    name: str
    shown: Lines | Terminal
    relay: Relay

    async def tells(self, words: str) -> tuple[str, float]:
        """Return what it says of that, and how long after the read or the break that makes it say so."""
        said = await self.shown.until(words)
        now = asyncio.get_running_loop().time()
        return said, now - (self.relay.asked_at or self.relay.silent_at)


RUN = ("run", "slow.json", "--no-save", "--server")
FORMS: dict[str, tuple[type[Lines | Terminal], tuple[str, ...], str]] = {
    "terminal": (Terminal, RUN, "prompt "),
    "pipe": (Lines, RUN, "prompt "),
    "json": (Lines, ("run", "slow.json", "--no-save", "--json", "--server"), '"submitted"'),
    "submit": (Lines, ("submit", "slow.json", "--wait", "--json", "--service"), '"running"'),
    "wait": (Lines, ("wait", "{job}", "--service"), ": running"),
}


@pytest.fixture
async def forms(here, service: str) -> AsyncIterator[dict[str, Form]]:
    """Every form of the command, waiting for something that takes a minute."""
    save("slow.json", sleeper(60))
    async with AsyncExitStack() as stack:
        comfyui = await stack.enter_async_context(Server())
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=service, trust_env=False))
        job = (await http.post("/api/v2/jobs", json={"workflow": sleeper(60)})).json()["id"]
        stack.push_async_callback(cancel_all, http)

        async def begin(name: str) -> Form:
            kind, words, waits = FORMS[name]
            relay = await stack.enter_async_context(
                relay_to(service if "--service" in words else comfyui.url)
            )
            shown = await kind.begin(*(word.format(job=job) for word in words), relay.url)
            stack.push_async_callback(shown.close)
            await shown.until(waits)
            return Form(name, shown, relay)

        yield {form.name: form for form in await asyncio.gather(*map(begin, FORMS))}


async def cancel_all(http: httpx.AsyncClient) -> None:
    for job in (await http.get("/api/v2/jobs")).json()["jobs"]:
        await http.post(f"/api/v2/jobs/{job['id']}/cancel")


async def test_every_form_tells_it_in_time_and_that_it_is_over(forms: dict[str, Form]):
    for form in forms.values():
        form.relay.hang()
    await all_tell(forms, " does not answer: ")
    for form in forms.values():
        form.relay.go_on()
    await all_answer(forms)

    for form in forms.values():
        form.relay.cut()
    await all_tell(forms, "")
    for form in forms.values():
        await form.relay.open()
    await all_answer(forms)


async def all_tell(forms: dict[str, Form], what: str) -> None:
    told = await asyncio.gather(*(form.tells("; waiting for ") for form in forms.values()))
    said = {name: words for name, (words, _) in zip(forms, told, strict=True)}

    assert {name: took for name, (_, took) in zip(forms, told, strict=True) if took > BOUND} == {}
    assert all(what in words for words in said.values())
    assert all("; waiting for prompt " in said[name] for name in ("terminal", "pipe", "json"))
    assert all("; waiting for it: the jobs are safe" in said[name] for name in ("wait", "submit"))
    assert [json.loads(said[name])["event"] for name in ("json", "submit")] == ["silent", "silent"]


async def all_answer(forms: dict[str, Form]) -> None:
    told = await asyncio.gather(*(form.shown.until(" answers again, after ") for form in forms.values()))

    said = dict(zip(forms, told, strict=True))
    assert [json.loads(said[name])["event"] for name in ("json", "submit")] == ["answering", "answering"]


async def test_a_server_that_hangs_before_anything_is_queued_is_told_too(here):
    slow = save(here / "slow.json", sleeper(0.1))
    async with Server() as comfyui, relay_to(comfyui.url) as relay:
        relay.hang()
        form = Form("pipe", await Lines.begin("run", slow, "--server", relay.url), relay)
        told, took = await form.tells("waiting for it")
        relay.go_on()

        assert took <= BOUND
        assert f"{relay.url} does not answer: the opening of its socket has had no reply" in told
        assert await form.shown.until("done in")
        await form.shown.close()
