"""What the server's own waits promise: they end when everything was said, and not a moment before."""

from __future__ import annotations

import asyncio
import threading

import pytest
from tests.server.wire import Wire, image

from comfywire.server import Server
from comfywire.server.messages.publisher import Message


@pytest.mark.parametrize("kind", ["done", "idle"])
async def test_the_last_word_about_a_prompt_is_waited_for(server: Server, wire: Wire, monkeypatch, kind):
    """The worker says it when the prompt has left the queue, and may be held up between the two."""
    queue, may_say = server.life.queue, threading.Event()
    put_away = queue.task_done

    def put_away_and_pause(task, entry):
        put_away(task, entry)
        may_say.wait()

    monkeypatch.setattr(queue, "task_done", put_away_and_pause)
    prompt_id = await wire.submit(image(), await wire.feed())
    waiting = asyncio.create_task(server.until_done(prompt_id) if kind == "done" else server.until_idle())
    await server.until(lambda: prompt_id in queue.history and server.life.publisher.is_idle)
    await asyncio.wait([waiting], timeout=0.05)
    was_over = waiting.done()
    may_say.set()
    await waiting

    assert not was_over


async def test_a_message_that_was_queued_just_now_is_not_sent_yet(server: Server):
    await server.until_idle()
    server.life.publisher.put(Message("status", {}, None))
    was_idle = server.life.is_idle
    await server.until_idle()

    assert not was_idle
