import asyncio
import io
import json
import logging

import aiohttp
import pytest
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket
from tests.service.serving import serving

from comfywire.service.logs import about, configure

log = logging.getLogger("comfywire.service.test")


@pytest.fixture
def stream():
    """What is logged goes here; afterwards logging is as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("httpx", "asyncio")}
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def lines(stream) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_a_json_object(stream):
    configure(as_json=True, stream=stream)

    log.warning("%s is away", "http://a")

    (line,) = lines(stream)
    assert {name: line[name] for name in ("level", "logger", "message")} == {
        "level": "warning",
        "logger": "comfywire.service.test",
        "message": "http://a is away",
    }
    assert line["time"].endswith("Z")


def test_lines_carry_the_prompt_they_are_about(stream):
    configure(as_json=True, stream=stream)

    with about(prompt_id="p", server="http://a"):
        log.info("inside")
    log.info("outside")

    assert [line.get("prompt_id") for line in lines(stream)] == ["p", None]
    assert lines(stream)[0]["server"] == "http://a"


def test_an_inner_context_adds_to_the_outer(stream):
    configure(as_json=True, stream=stream)

    with about(prompt_id="p", node_id="1"), about(node_id="2"), about(server=None):
        log.info("inside")

    assert {name: lines(stream)[0][name] for name in ("prompt_id", "node_id")} == {
        "prompt_id": "p",
        "node_id": "2",
    }


def test_an_inner_context_can_take_a_field_away(stream):
    configure(as_json=True, stream=stream)

    with about(prompt_id="p"), about(prompt_id=None):
        log.info("inside")

    assert "prompt_id" not in lines(stream)[0]


async def test_tasks_keep_apart_what_they_are_about(stream):
    configure(as_json=True, stream=stream)
    both = asyncio.Barrier(2)

    async def work(prompt_id: str) -> None:
        with about(prompt_id=prompt_id):
            await both.wait()
            log.info(prompt_id)

    await asyncio.gather(work("p"), work("q"))

    assert {(line["message"], line["prompt_id"]) for line in lines(stream)} == {("p", "p"), ("q", "q")}


def test_fields_of_the_call_are_on_the_line(stream):
    configure(as_json=True, stream=stream)

    log.info("words", extra={"worker": "w"})

    assert lines(stream)[0]["worker"] == "w"


def test_a_traceback_is_in_the_object(stream):
    configure(as_json=True, stream=stream)

    try:
        int("x")
    except ValueError:
        log.exception("it broke")

    assert "ValueError: invalid literal" in lines(stream)[0]["traceback"]


def test_people_get_a_line_with_the_prompt_behind_it(stream):
    configure(as_json=False, stream=stream)

    with about(prompt_id="p"):
        log.info("began")

    assert stream.getvalue().endswith(" info    began  [p]\n")


def test_libraries_chatter_is_left_out(stream):
    configure(as_json=True, stream=stream)

    logging.getLogger("httpx").info("HTTP Request: POST ...")

    assert lines(stream) == []


async def test_a_socket_that_is_refused_is_no_error(stream):
    async def refuse(scope, receive, send) -> None:
        await WebSocket(scope, receive, send).send_denial_response(PlainTextResponse("no", 403))

    configure(as_json=True, stream=stream)
    async with serving(refuse) as url, aiohttp.ClientSession() as session:
        for _ in range(2):
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(url)

    assert [line["message"] for line in lines(stream)] == []


def test_other_errors_of_the_http_server_are_told(stream):
    configure(as_json=True, stream=stream)

    logging.getLogger("uvicorn.error").error("Exception in ASGI application")

    assert [line["message"] for line in lines(stream)] == ["Exception in ASGI application"]
