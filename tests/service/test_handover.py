"""An address that goes from one process to the next: here both are in one, with sockets of their own."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from comfywire.service.handover import ListeningPlace, place_at
from comfywire.service.http_server import CannotListen, HttpServer, serving
from comfywire.service.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract sockets")


class Process:
    """One of two that follow each other, and who answers in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_leaving = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked = asyncio.Event()

    @contextlib.asynccontextmanager
    async def answering(
        self, settings: Settings, *, takes_over: bool = False
    ) -> AsyncIterator[tuple[ListeningPlace, HttpServer]]:
        routes = [
            Route("/", self._answer, methods=["GET", "POST"]),
            Route("/file", self._file),
            Route("/events", self._events),
        ]
        async with (
            place_at(settings, takes_over=takes_over) as place,
            serving(Starlette(routes=routes), place.listener, lambda: None) as server,
            place.held(server, self.is_leaving, self.is_leaving.set),
        ):
            yield place, server

    async def _answer(self, request: Request) -> Response:
        self.asked.set()
        await self.may_answer.wait()
        return PlainTextResponse(self.name)

    async def _file(self, request: Request) -> Response:
        return StreamingResponse(self._pieces())

    async def _events(self, request: Request) -> Response:
        return StreamingResponse(self._pieces(), media_type="text/event-stream")

    async def _pieces(self) -> AsyncIterator[bytes]:
        yield b"one"
        self.asked.set()
        await self.may_answer.wait()
        yield b"two"


def at(folder: Path, place: ListeningPlace) -> Settings:
    return Settings(data=folder, port=place.listener.getsockname()[1])


async def ask(settings: Settings, method: str = "GET", path: str = "/") -> str:
    """What is answered on a connection of its own."""
    async with httpx.AsyncClient(verify=False, timeout=60) as http:
        return (await http.request(method, f"http://127.0.0.1:{settings.port}{path}")).text


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - of sockets and counters, which have no event
            await asyncio.sleep(0.01)


async def test_nobody_is_refused_while_an_address_changes_hands(tmp_path: Path):
    old, new = Process("old"), Process("new")
    answers: list[list[str]] = [[] for _ in range(4)]
    async with contextlib.AsyncExitStack() as stack:
        leaving = await stack.enter_async_context(contextlib.AsyncExitStack())
        place, _ = await leaving.enter_async_context(old.answering(Settings(data=tmp_path, port=0)))
        settings = at(tmp_path, place)

        async def go_on_asking(heard: list[str]) -> None:
            while True:
                heard.append(await ask(settings))

        askers = [asyncio.create_task(go_on_asking(heard)) for heard in answers]
        await until(lambda: any("old" in heard for heard in answers))
        old.is_leaving.set()
        await stack.enter_async_context(new.answering(settings))
        await until(lambda: any("new" in heard for heard in answers))
        await leaving.aclose()
        seen = [len(heard) for heard in answers]
        # Each may have had an answer of the old one on its way, however late it reads that.
        await until(lambda: all(len(heard) > had + 1 for heard, had in zip(answers, seen, strict=True)))
        assert not any(asker.done() for asker in askers)
        for asker in askers:
            asker.cancel()
        await asyncio.gather(*askers, return_exceptions=True)

    assert {answer for heard in answers for answer in heard} == {"old", "new"}
    later = [heard[had + 1 :] for heard, had in zip(answers, seen, strict=True)]
    assert {answer for heard in later for answer in heard} == {"new"}


async def test_an_address_can_change_hands_again(tmp_path: Path):
    async with contextlib.AsyncExitStack() as stack:
        first = Process("1")
        place, _ = await stack.enter_async_context(first.answering(Settings(data=tmp_path, port=0)))
        settings, before = at(tmp_path, place), first
        for name in ("2", "3"):
            before.is_leaving.set()
            before = Process(name)
            await stack.enter_async_context(before.answering(settings))
            answered = ""
            while answered != name:
                answered = await ask(settings)


async def test_an_address_is_kept_by_who_is_not_to_stop(tmp_path: Path):
    old = Process("old")
    async with old.answering(Settings(data=tmp_path, port=0)) as (place, _):
        with pytest.raises(CannotListen, match="somebody else does"):
            async with place_at(at(tmp_path, place)):
                pass
        assert await ask(at(tmp_path, place)) == "old"


async def test_who_is_to_take_over_tells_the_one_before_to_stop(tmp_path: Path):
    old, new = Process("old"), Process("new")
    async with (
        old.answering(Settings(data=tmp_path, port=0)) as (place, _),
        contextlib.AsyncExitStack() as stack,
    ):
        settings = at(tmp_path, place)
        await stack.enter_async_context(new.answering(settings, takes_over=True))
        await old.is_leaving.wait()
        answered = ""
        while answered != "new":
            answered = await ask(settings)


async def test_who_is_to_take_over_begins_where_nobody_is(tmp_path: Path):
    new = Process("new")
    async with new.answering(Settings(data=tmp_path, port=0), takes_over=True) as (place, _):
        assert await ask(at(tmp_path, place)) == "new"


async def test_an_address_of_another_program_is_not_asked_for(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = Settings(data=tmp_path, port=other.getsockname()[1])
        with pytest.raises(CannotListen, match="somebody else does"):
            async with place_at(settings):
                pass


async def test_who_was_given_an_address_and_dies_leaves_it_where_it_was(tmp_path: Path):
    old, new = Process("old"), Process("new")
    async with old.answering(Settings(data=tmp_path, port=0)) as (place, _):
        old.is_leaving.set()
        async with place_at(at(tmp_path, place)):
            pass  # it never answers
        assert await ask(at(tmp_path, place)) == "old"
        async with new.answering(at(tmp_path, place)):
            answered = ""
            while answered != "new":
                answered = await ask(at(tmp_path, place))


async def test_an_address_that_is_just_given_up_is_taken(tmp_path: Path):
    old, new = Process("old"), Process("new")
    async with contextlib.AsyncExitStack() as leaving:
        place, _ = await leaving.enter_async_context(old.answering(Settings(data=tmp_path, port=0)))
        settings = at(tmp_path, place)
        coming = asyncio.create_task(taken(new, settings))
        await leaving.aclose()

    assert await coming == "new"


async def taken(process: Process, settings: Settings) -> str:
    async with process.answering(settings):
        return await ask(settings)


async def test_who_is_to_take_over_and_does_not_get_up_changes_nothing(tmp_path: Path):
    old = Process("old")
    async with old.answering(Settings(data=tmp_path, port=0)) as (place, _):
        async with place_at(at(tmp_path, place), takes_over=True):
            pass
        assert await ask(at(tmp_path, place)) == "old"
        assert not old.is_leaving.is_set()


@pytest.mark.parametrize(
    ("method", "path", "is_missed"),
    [("POST", "/", True), ("GET", "/file", True), ("GET", "/", False), ("GET", "/events", False)],
)
async def test_what_would_be_missed_is_what_cannot_be_asked_again(
    tmp_path: Path, method: str, path: str, is_missed: bool
):
    one = Process("one")
    async with one.answering(Settings(data=tmp_path, port=0)) as (place, server):
        one.may_answer.clear()
        asking = asyncio.create_task(ask(at(tmp_path, place), method, path))
        await one.asked.wait()
        assert server.answers.open == is_missed
        one.may_answer.set()
        await asking
        await until(lambda: server.answers.open == 0)


async def test_a_connection_ends_with_its_answer_once_another_process_listens(tmp_path: Path):
    old, new = Process("old"), Process("new")
    async with (
        old.answering(Settings(data=tmp_path, port=0)) as (place, server),
        httpx.AsyncClient(verify=False, base_url=f"http://127.0.0.1:{at(tmp_path, place).port}") as http,
    ):
        assert "connection" not in (await http.get("/")).headers
        old.is_leaving.set()
        async with new.answering(at(tmp_path, place)):
            await until(lambda: server.answers.are_last)
            last = await http.get("/")
            assert (last.text, last.headers["connection"]) == ("old", "close")
            assert (await http.get("/")).text == "new"
