"""/object_info: the fleet's classes as one ComfyUI's, made once for each state of fleet and files.

Megabytes of JSON, which programs read to fill their menus: kept ready, packed too, with an ETag.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from comfywire.service.access.callers import Caller
from comfywire.service.assets.naming import upload_names
from comfywire.service.core import Core
from comfywire.service.native.face import ReadyAnswer, etag_of, routes, sent
from comfywire.service.native.union import takes_uploads, union, with_files

__all__ = ["FleetCatalogue", "routes_of"]

MOST_KEPT = 16
"""Answers that are kept: one for each key that has uploads of its own."""
Classes = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Union:
    """The catalogue of one state of the fleet, and each class of it as JSON."""

    digests: tuple[str, ...]
    classes: Classes
    texts: Mapping[str, str]


class FleetCatalogue:
    """The fleet's catalogue as one process has rendered it."""

    def __init__(self) -> None:
        self._union = _Union((), {}, {})
        self._answers: OrderedDict[tuple[Any, ...], ReadyAnswer] = OrderedDict()
        self._lock = asyncio.Lock()

    async def classes(self, core: Core) -> Classes:
        """Return the classes of the fleet, without anybody's files."""
        return (await self._current(core)).classes

    async def answer(self, core: Core, caller: Caller) -> ReadyAnswer:
        """Return all classes, with the caller's uploads among the choices."""
        current = await self._current(core)
        names = await upload_names(core.database, caller.key_id)
        place = (current.digests, tuple(names))
        if place not in self._answers:
            async with self._lock:
                if place not in self._answers:
                    self._answers[place] = await asyncio.to_thread(_rendered, current, names)
        self._answers.move_to_end(place)
        while len(self._answers) > MOST_KEPT:
            self._answers.popitem(last=False)
        return self._answers[place]

    async def _current(self, core: Core) -> _Union:
        known = await core.catalogues.newest_first()
        digests = tuple(known)
        if digests != self._union.digests:
            async with self._lock:
                if digests != self._union.digests:
                    raws = [catalogue.raw for catalogue in known.values()]
                    self._union = await asyncio.to_thread(_united, digests, raws)
        return self._union


def _united(digests: tuple[str, ...], raws: list[Mapping[str, Any]]) -> _Union:
    classes = union(raws)
    return _Union(digests, classes, {name: json.dumps(entry) for name, entry in classes.items()})


def _rendered(current: _Union, names: list[str]) -> ReadyAnswer:
    texts = dict(current.texts)
    for name, entry in current.classes.items():
        if names and takes_uploads(entry):
            texts[name] = json.dumps(with_files(entry, names))
    members = ", ".join(f"{json.dumps(name)}: {text}" for name, text in texts.items())
    body = f"{{{members}}}".encode()
    return ReadyAnswer(body, gzip.compress(body, 5, mtime=0), etag_of(body))


class _Routes:
    def __init__(self, catalogue: FleetCatalogue) -> None:
        self._catalogue = catalogue

    async def whole(self, request: Request, core: Core, caller: Caller) -> Response:
        """Return all classes of the fleet."""
        return sent(request, await self._catalogue.answer(core, caller))

    async def one(self, request: Request, core: Core, caller: Caller) -> Response:
        """Return one class; of one that no server has, ``{}``."""
        name = request.path_params["class_type"]
        entry = (await self._catalogue.classes(core)).get(name)
        if entry is None:
            return JSONResponse({})
        names = await upload_names(core.database, caller.key_id) if takes_uploads(entry) else []
        return JSONResponse({name: with_files(entry, names) if names else entry})


def routes_of(catalogue: FleetCatalogue) -> list[BaseRoute]:
    """Return the routes, which share what ``catalogue`` has rendered."""
    handlers = _Routes(catalogue)
    return [
        *routes("/object_info", handlers.whole),
        *routes("/object_info/{class_type:path}", handlers.one),
    ]
