"""MCP between a desktop client, which speaks lines of JSON, and a job service, which speaks HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, Callable, Mapping
from contextlib import suppress
from typing import Any

import aiohttp

from comfywire.service_client.event_stream import read_lines
from comfywire.transport.address import Address
from comfywire.transport.failures import NETWORK_ERRORS

__all__ = ["McpRelay"]

EXAMPLE = "http://127.0.0.1:8190"
TIME_OUT = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=120.0)
"""The service says something every few seconds while a call waits."""
VERSION = "io.modelcontextprotocol/protocolVersion"
INTERNAL_ERROR, INVALID_REQUEST = -32603, -32600
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""What a request is about, which the newest revision wants in a header as well."""
Write = Callable[[str], None]


class McpRelay:
    """Passes on what a client writes, and writes what the service answers.

    Args:
        url: The service, ``http(s)://…``.
        key: ``cw_…``, where the service wants one.
        verify: Whether a certificate must be good.

    Raises:
        ValueError: ``url`` is no address.

    """

    def __init__(self, url: str, *, key: str | None = None, verify: bool = True) -> None:
        self._address = Address.parse(url, token=key, example=EXAMPLE)
        self._verify = verify
        self._version: str | None = None
        self._asking: dict[Any, asyncio.Task[None]] = {}

    async def run(self, lines: AsyncIterable[str], write: Write) -> None:
        """Relay until ``lines`` end; requests that are under way then are given up.

        Args:
            lines: Messages of the client, one a line.
            write: Takes messages for the client, without line breaks in them.

        """
        connector = aiohttp.TCPConnector(ssl=self._verify)
        headers = dict(self._address.headers)
        async with (
            aiohttp.ClientSession(connector=connector, headers=headers, timeout=TIME_OUT) as http,
            asyncio.TaskGroup() as group,
        ):
            async for line in lines:
                self._take(line, http, group, write)
            for task in list(self._asking.values()):
                task.cancel()

    def _take(self, line: str, http: aiohttp.ClientSession, group: asyncio.TaskGroup, write: Write) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            write(_error(None, INVALID_REQUEST, "a line is no JSON: send one message a line"))
            return
        if not isinstance(message, dict) or not isinstance(message.get("method"), str):
            return  # an answer of the client: the service asks it nothing
        if message["method"] == "notifications/cancelled":
            self._cancel((message.get("params") or {}).get("requestId"))
            return
        task = group.create_task(self._ask(message, http, write), name="comfywire mcp request")
        if "id" in message:
            self._asking[message["id"]] = task
            task.add_done_callback(lambda _: self._asking.pop(message["id"], None))

    def _cancel(self, request_id: Any) -> None:
        """Hang up on a request, which is how the service hears that nobody waits for it."""
        task = self._asking.get(request_id)
        if task is not None:
            task.cancel()

    async def _ask(self, message: Mapping[str, Any], http: aiohttp.ClientSession, write: Write) -> None:
        url = self._address.http("/mcp")
        try:
            async with http.post(url, json=message, headers=self._headers(message)) as answer:
                async for text in _messages(answer):
                    self._note_version(message, text)
                    write(text)
        except (*NETWORK_ERRORS, ValueError) as error:
            if "id" in message:
                words = f"{self._address.url} gave no answer ({str(error) or type(error).__name__}): is the"
                write(_error(message["id"], INTERNAL_ERROR, f"{words} service running, and the key right?"))

    def _headers(self, message: Mapping[str, Any]) -> dict[str, str]:
        params = message.get("params") or {}
        version = (params.get("_meta") or {}).get(VERSION) or self._version
        headers = {"Accept": "application/json, text/event-stream"}
        if message["method"] == "initialize" or version is None:
            return headers
        headers |= {"MCP-Protocol-Version": version, "Mcp-Method": message["method"]}
        name = params.get(NAMED.get(message["method"], ""))
        return headers | ({"Mcp-Name": name} if isinstance(name, str) and name.isascii() else {})

    def _note_version(self, message: Mapping[str, Any], text: str) -> None:
        """Remember which revision the handshake of old has found, for every later request."""
        if message["method"] == "initialize":
            with suppress(KeyError, TypeError, ValueError):
                self._version = str(json.loads(text)["result"]["protocolVersion"])


async def _messages(answer: aiohttp.ClientResponse) -> AsyncIterable[str]:
    """Yield the messages of an answer as JSON without line breaks."""
    if answer.content_type == "text/event-stream":
        async for line in read_lines(answer.content.iter_any()):
            if line.startswith("data:") and (text := line.removeprefix("data:").strip()):
                yield text
        return
    body = await answer.text()
    if answer.status == 202 or not body:
        return
    found = json.loads(body)
    if "jsonrpc" not in found:  # refused before anybody looked for a message in it
        raise ValueError(found.get("error", {}).get("message") or f"status {answer.status}")
    yield json.dumps(found)


def _error(request_id: Any, code: int, words: str) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": words}})
