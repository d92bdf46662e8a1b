"""When silence is worth a word, and when it is none."""

from __future__ import annotations

import asyncio
import logging
import socket
import time

import pytest

from comfywire.transport.news import FAILED, LATE, UNANSWERED, News

SHORT, SHORTER = 0.06, 0.03


class Told(list[tuple[str, bool | None]]):
    """What was told: the sentence, and whether the server answers."""

    def __init__(self) -> None:
        self._more = asyncio.Event()

    def hear(self, sentence: str, answers: bool | None) -> None:
        self.append((sentence, answers))
        self._more.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self) < count:
                self._more.clear()
                await self._more.wait()


@pytest.fixture
async def news() -> News:
    return News("http://x", unanswered=SHORT, failed=SHORTER)


@pytest.fixture
async def told(news: News) -> Told:
    told = Told()
    news.listeners.append(told.hear)
    return told


def test_a_word_comes_within_three_seconds():
    assert max(UNANSWERED, FAILED) <= 2.5


async def test_a_request_without_an_answer_is_told(news: News, told: Told):
    began = asyncio.get_running_loop().time()
    with news.asked("GET /queue"):
        await told.until(1)

    assert told == [("http://x does not answer: GET /queue has had no reply for 0.06 s", False)]
    assert asyncio.get_running_loop().time() - began >= SHORT


async def test_that_it_answers_again_is_told_once(news: News, told: Told):
    with news.asked("GET /queue"):
        await told.until(1)
    news.heard()
    news.heard()

    assert [answers for _, answers in told] == [False, True]
    assert told[1][0].startswith("http://x answers again, after ")


async def test_a_server_that_says_anything_is_not_silent(news: News, told: Told):
    news.heard()
    pauses = []
    with news.asked("GET /queue"):
        for _ in range(12):
            await asyncio.sleep(SHORT / 4)
            pauses.append(news.unheard_for)
            news.heard()

    assert told == [] or max(pauses) >= SHORT  # a busy machine may hold us up for so long


async def test_what_came_while_we_were_held_up_is_heard_before_a_silence_is_told(news: News, told: Told):
    ours, theirs = socket.socketpair()
    loop, heard = asyncio.get_running_loop(), asyncio.Event()

    def read() -> None:
        news.heard()
        heard.set()

    with ours, theirs, news.asked("GET /queue"):
        loop.add_reader(ours, loop.call_soon, read)  # some turns of the loop away, as a real reply is
        theirs.send(b"it answers")
        time.sleep(SHORT + 2 * LATE)  # noqa: ASYNC251 - it is held up
        await heard.wait()
        loop.remove_reader(ours)

    assert told == []


async def test_a_silence_is_told_though_we_were_held_up(news: News, told: Told):
    with news.asked("GET /queue"):
        time.sleep(SHORT + 2 * LATE)  # noqa: ASYNC251 - it is held up
        await told.until(1)

    assert [answers for _, answers in told] == [False]


async def test_a_request_that_stays_unanswered_is_told_again_after_a_word_between(news: News, told: Told):
    with news.asked("GET /queue"):
        await told.until(1)
        news.heard()
        await told.until(3)

    assert [answers for _, answers in told] == [False, True, False]


@pytest.mark.parametrize("how", ["failed", "closed"])
async def test_a_failure_is_told_if_nothing_follows(news: News, told: Told, how):
    if how == "failed":
        news.failed("no ComfyUI was reached")
    else:
        news.closed()
    await told.until(1)

    assert told == [
        (
            "no ComfyUI was reached"
            if how == "failed"
            else "the socket of http://x closed, and nothing was heard since",
            False,
        )
    ]


@pytest.mark.parametrize("how", ["failed", "closed"])
async def test_a_failure_that_an_answer_follows_is_nothing(news: News, told: Told, how):
    if how == "failed":
        news.failed("broken")
    else:
        news.closed()
    news.heard()
    await asyncio.sleep(SHORT * 2)

    assert told == []


async def test_a_silence_is_told_once_whatever_else_fails(news: News, told: Told):
    for _ in range(3):
        news.failed("no ComfyUI was reached")
    await told.until(1)
    news.failed("again")
    news.closed()
    await asyncio.sleep(SHORT * 2)

    assert len(told) == 1


async def test_a_listener_hears_only_what_is_told_inside(news: News):
    told = Told()

    with news.told_to(told.hear), news.told_to(told.hear):
        news.say_once("a proxy")
        news.say_once("a proxy")
    news.say_once("another")

    assert told == [("a proxy", None)]


async def test_what_nobody_listens_to_is_logged(news: News, caplog: pytest.LogCaptureFixture):
    news.say_once("a proxy")

    assert caplog.record_tuples == [("comfywire", logging.WARNING, "a proxy")]


async def test_a_closed_client_tells_nothing(news: News, told: Told):
    news.failed("broken")
    news.close()
    await asyncio.sleep(SHORT)

    assert told == []
