"""Faults over the wire: POST /comfywire/faults, for programs that are not Python or not in this process."""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING, Any

from aiohttp import web

from comfywire.server.faults.nodes import NodeRuleOf
from comfywire.server.faults.rules import Rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from comfywire.server.execution.run_log import Run
    from comfywire.server.faults import Faults

__all__ = ["FAULTS", "FaultRoutes"]

# What may be called, as GROUP.NAME with the arguments that it has in Python.
FAULTS: dict[str, tuple[str, ...]] = {
    "sockets": ("cut", "half_open", "end_half_open", "deafen", "stalled_reader"),
    "messages": (
        "drop",
        "delay",
        "repeat",
        "reorder",
        "cut_sockets_at",
        "send",
        "junk",
        "oversized",
        "foreign",
    ),
    "replies": ("drop", "delay", "stall", "fail", "cut_body", "ignore_range", "release"),
    "history": ("hold", "late", "evict", "alter"),
    "prompts": ("delete", "clear", "interrupt", "submit"),
    "nodes": ("slow", "silent", "hold", "fail", "kill_worker"),
    "files": ("rename", "vanish"),
    "life": ("kill", "refuse_connections"),
}
REPLY_FIRST = "life"  # these cut the very connection that asks for them
HEAD_START = 0.05


class FaultRoutes:
    """``{"fault": "messages.drop", "type": "executed"}``; there only with ``faults_over_http``."""

    def __init__(self, faults: Faults, runs: list[Run]) -> None:
        self._faults = faults
        self._runs = runs
        self._rules: dict[int, tuple[str, Rule]] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/comfywire/faults", self.add),
            web.get("/comfywire/faults", self.list),
            web.delete("/comfywire/faults", self.clear),
            web.delete("/comfywire/faults/{id}", self.remove),
            web.get("/comfywire/log", self.log),
        ]

    async def add(self, request: web.Request) -> web.Response:
        """Do a fault, or make a rule and return its ``id``; 400 with a sentence for what is not there."""
        asked: dict[str, Any] = await request.json()
        name = asked.pop("fault", "")
        function = self._find(name)
        if function is None:
            known = ", ".join(f"{group}.{each}" for group, names in FAULTS.items() for each in names)
            return _wrong(f"there is no fault {name!r}; there are {known}")
        try:
            inspect.signature(function).bind(**asked)
        except TypeError as error:
            return _wrong(f"{name}: {error}; it takes {inspect.signature(function)}")
        if name.startswith(REPLY_FIRST):
            self._faults.attached.later(HEAD_START, lambda: function(**asked))
            return web.json_response({"fault": name}, status=202)
        return await self._do(name, function, asked)

    async def _do(self, name: str, function: Callable[..., Any], asked: dict[str, Any]) -> web.Response:
        try:
            result = function(**asked)
            if inspect.isawaitable(result):
                result = await result
        except (LookupError, OSError, TypeError, ValueError) as error:
            return _wrong(f"{name}: {error!r}")
        if isinstance(result, Rule):
            number = len(self._rules) + 1
            self._rules[number] = (name, result)
            return web.json_response({"fault": name, "id": number})
        shown = result if isinstance(result, str | int | None) else None
        return web.json_response({"fault": name, "result": shown})

    def _find(self, name: str) -> Callable[..., Any] | None:
        group, _, method = name.partition(".")
        if method not in FAULTS.get(group, ()):
            return None
        found: Callable[..., Any] = getattr(getattr(self._faults, group), method)
        return found

    async def list(self, request: web.Request) -> web.Response:
        """List the rules, with how often each has struck."""
        del request
        return web.json_response(
            [
                {"id": number, "fault": name, "hits": rule.hits, "is_spent": rule.is_spent}
                for number, (name, rule) in self._rules.items()
            ]
        )

    async def clear(self, request: web.Request) -> web.Response:
        """Remove every rule and release what is held."""
        del request
        self._faults.clear()
        self._rules = {}
        return web.Response()

    async def remove(self, request: web.Request) -> web.Response:
        """Remove one rule; a held node goes on."""
        _, rule = self._rules.pop(int(request.match_info["id"]), ("", None))
        if rule is None:
            return web.Response(status=404)
        if isinstance(rule, NodeRuleOf):
            rule.release()
        rule.remove()
        return web.Response()

    async def log(self, request: web.Request) -> web.Response:
        """Return what really ran."""
        del request
        return web.json_response([dataclasses.asdict(run) for run in self._runs])


def _wrong(sentence: str) -> web.Response:
    return web.json_response({"error": sentence}, status=400)
