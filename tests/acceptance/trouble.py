"""What is done to the town beside killing: a folder that is away, and a ComfyUI that lies."""

import random
from pathlib import Path

from aiohttp import web
from tests.service.worker.test_hostile import Lie, bomb, endless, redirected


class Link:
    """A link that leads elsewhere from one moment to the next, under the feet of whoever uses it."""

    def __init__(self, place: Path, folder: Path) -> None:
        self._place = place
        place.parent.mkdir(exist_ok=True)
        folder.mkdir(mode=0o700)
        self.leads_to(folder)

    def leads_to(self, target: Path) -> None:
        """Lead to ``target``."""
        new = self._place.with_name("new link")
        new.symlink_to(target)
        new.replace(self._place)


def lies_of(chance: random.Random) -> Lie:
    """Answer one in three questions for a file or for an entry of the history with a lie."""

    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"half")
        raise ConnectionResetError

    async def broken(request: web.Request) -> web.StreamResponse:
        return web.Response(status=500, text="no")

    async def junk(request: web.Request) -> web.StreamResponse:
        return web.Response(text="[{", content_type="application/json")

    of_files, of_entries = [redirected, bomb, endless, cut, broken], [cut, broken, junk]

    async def lie(request: web.Request, body: bytes) -> web.StreamResponse | None:
        lies = of_files if "/view" in request.path else of_entries if "/history/" in request.path else []
        return await chance.choice(lies)(request) if lies and chance.random() < 1 / 3 else None

    return lie
