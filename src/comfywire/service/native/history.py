"""/history: what of the caller's has ended. Rendered once for all who ask again and again.

Some programs read the whole history ten times a second. A look at a mark, which the index answers, tells
whether anything has changed; if not, the bytes of the last answer go out again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import datetime
from uuid import UUID
from weakref import WeakValueDictionary

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from comfywire.service.access.callers import Caller
from comfywire.service.core import Core
from comfywire.service.jobs.native_prompts import Mark, NativePrompts
from comfywire.service.native.entries import rendered
from comfywire.service.native.face import BadRequest, ReadyAnswer, json_body, routes, sent, words_of
from comfywire.service.native.packing import PackedText, joined
from comfywire.service.native.queue import ids_in

__all__ = ["SHOWN", "History", "routes_of"]

SHOWN = 200
"""Entries of an answer to somebody who does not say how many: the newest."""
MOST = 10_000
"""Entries at most: as many as a ComfyUI keeps (execution.py, MAXIMUM_HISTORY_SIZE, 0.3.64)."""
LARGEST = 32 << 20
"""Bytes of entries in one answer, one entry at least; ``/history/{prompt_id}`` has what is left out."""
FIRST, SMALL = 8, 1 << 20
"""Entries that are read first, and twice as many each time while those of one reading have few bytes."""
CACHED_BYTES = 64 << 20
"""Bytes of entries that are kept rendered, and as many of whole answers."""
PAUSE = 0.03
"""Seconds from one look at a key's whole history to the next."""
Place = tuple[UUID, datetime]


class History:
    """The histories that one process has rendered, by key; the oldest go first.

    Args:
        largest: Bytes of entries that one answer has at most, if it has several.

    """

    def __init__(self, largest: int = LARGEST) -> None:
        self._largest = largest
        self._entries: OrderedDict[Place, PackedText] = OrderedDict()
        self._entry_bytes = 0
        self._answers: OrderedDict[UUID, tuple[Mark, ReadyAnswer]] = OrderedDict()
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
        self._looks: dict[UUID, asyncio.Task[ReadyAnswer]] = {}
        self._next_look: dict[UUID, float] = {}

    async def whole(self, prompts: NativePrompts, key_id: UUID) -> ReadyAnswer:
        """Return a key's history as it is now: the newest ``SHOWN``.

        One look serves all who ask before it begins: it is no older than any of their requests. While many
        ask, one look follows another after a pause, for all who ask meanwhile.
        """
        look = self._looks.get(key_id)
        if look is None:
            look = asyncio.create_task(self._look(prompts, key_id), name="comfywire history")
            self._looks[key_id] = look
        return await asyncio.shield(look)

    async def _look(self, prompts: NativePrompts, key_id: UUID) -> ReadyAnswer:
        turn = self._turns.setdefault(key_id, asyncio.Lock())
        loop = asyncio.get_running_loop()
        async with turn:
            await asyncio.sleep(max(0.0, self._next_look.get(key_id, 0.0) - loop.time()))
            self._next_look[key_id] = loop.time() + PAUSE
            del self._looks[key_id]  # who asks from here on may be asking about what this look does not see
            mark = await prompts.mark(key_id, SHOWN)
            kept = self._answers.get(key_id)
            if kept is not None and kept[0] == mark:
                return kept[1]
            # The mark was taken before: what ends in between is rendered, and rendered once more next time.
            whole = await self.page(prompts, key_id, await prompts.ended(key_id, most=SHOWN))
            answer = ReadyAnswer(whole.plain, whole.packed, _etag(mark))
            self._keep(key_id, mark, answer)
            return answer

    async def page(self, prompts: NativePrompts, key_id: UUID, places: list[Place]) -> PackedText:
        """Return these entries, of which the newest comes first, as a ComfyUI lists them: it comes last.

        They are read a few at a time, so that none is read that has no room.
        """
        entries: list[PackedText] = []
        room, first, step = self._largest, 0, FIRST
        while first < len(places) and (room > 0 or not entries):
            some = places[first : first + step]
            found = await self._rendered(prompts, key_id, some)
            before = room
            for entry in (found[place] for place in some if place in found):
                room -= len(entry.plain)
                if room < 0 and entries:
                    break
                entries.append(entry)
            first, step = first + step, 2 * step if before - room < SMALL else FIRST
        return joined(entries[::-1])

    async def _rendered(
        self, prompts: NativePrompts, key_id: UUID, places: list[Place]
    ) -> dict[Place, PackedText]:
        missing = [job_id for job_id, at in places if (job_id, at) not in self._entries]
        found = {place: self._entries[place] for place in places if place in self._entries}
        if missing:
            records = (await prompts.entries(key_id, missing)).values()
            made = await asyncio.to_thread(
                lambda: {(one.id, one.completed_at): PackedText.of(rendered(one)) for one in records}
            )
            found |= made
            for place, entry in made.items():
                self._keep_entry(place, entry)
        return found

    def _keep(self, key_id: UUID, mark: Mark, answer: ReadyAnswer) -> None:
        self._answers[key_id] = (mark, answer)
        self._answers.move_to_end(key_id)
        while len(self._answers) > 1 and sum(kept.size for _, kept in self._answers.values()) > CACHED_BYTES:
            self._answers.popitem(last=False)

    def _keep_entry(self, place: Place, entry: PackedText) -> None:
        if (before := self._entries.pop(place, None)) is not None:
            self._entry_bytes -= before.size
        self._entries[place] = entry
        self._entry_bytes += entry.size
        while self._entry_bytes > CACHED_BYTES:
            self._entry_bytes -= self._entries.popitem(last=False)[1].size


def _etag(mark: Mark) -> str:
    last = 0.0 if mark.last is None else mark.last.timestamp()
    return f'W/"{mark.count}-{mark.mark & 0xFFFFFFFFFFFFFFFF:x}-{last:.6f}"'


class _Routes:
    def __init__(self, history: History) -> None:
        self._history = history

    async def get(self, request: Request, core: Core, caller: Caller) -> Response:
        """List what has ended, the oldest first."""
        prompts = NativePrompts(core.database)
        most, offset = _integer(request, "max_items"), _integer(request, "offset")
        if most is None and (offset is None or offset < 0):
            return sent(request, await self._history.whole(prompts, caller.key_id))
        places = await _window(prompts, caller.key_id, most, -1 if offset is None else offset)
        page = await self._history.page(prompts, caller.key_id, places)
        return Response(page.plain, media_type="application/json")

    async def get_one(self, request: Request, core: Core, caller: Caller) -> Response:
        """Return one entry, or ``{}``."""
        prompts = NativePrompts(core.database)
        found = await prompts.entries(caller.key_id, ids_in([request.path_params["prompt_id"]]))
        body = b"{%b}" % b", ".join(rendered(record) for record in found.values())
        return Response(body, media_type="application/json")

    async def post(self, request: Request, core: Core, caller: Caller) -> Response:
        """Take entries out of the caller's history; the jobs stay."""
        body = words_of(await json_body(request))
        prompts = NativePrompts(core.database)
        if body.get("clear"):
            await prompts.hide(caller.key_id)
        if named := ids_in(body.get("delete")):
            await prompts.hide(caller.key_id, named)
        return Response()


async def _window(prompts: NativePrompts, key_id: UUID, most: int | None, offset: int) -> list[Place]:
    """Return the entries of a page; ``offset`` counts from the oldest (execution.py, get_history, 0.3.64)."""
    if offset < 0:
        wanted = max(0, min(MOST if most is None else most, MOST))
        return await prompts.ended(key_id, most=wanted) if wanted else []
    count = await prompts.count_ended(key_id)
    # That loop looks at the limit after it has taken an entry, so that none means one.
    wanted = min(MOST if most is None else max(most, 1), MOST, max(count - offset, 0))
    return await prompts.ended(key_id, most=wanted, skip=count - offset - wanted) if wanted else []


def _integer(request: Request, name: str) -> int | None:
    try:
        return int(request.query_params[name]) if name in request.query_params else None
    except ValueError:
        raise BadRequest(f"{name!r} is no whole number") from None


def routes_of(history: History) -> list[BaseRoute]:
    """Return the routes, which share what ``history`` has rendered."""
    handlers = _Routes(history)
    return [
        *routes("/history", handlers.get),
        *routes("/history/{prompt_id}", handlers.get_one),
        *routes("/history", handlers.post, "POST", scope="submit"),
    ]
