"""The routes that are asked for most, found at once.

FastAPI (0.165, ``routing.py``) asks each router that is included whether it has the route, and the one that
says yes once more; that costs a look at a job as much as its answer's JSON.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

__all__ = ["Shortcut"]

FOUND = "comfywire.shortcut"


class Shortcut(BaseRoute):
    """Stands before the routers, and asks routes of theirs without them.

    What is not asked for as a route declares it is left to the routers, which say what is wrong with it.

    Args:
        prefix: With which the paths of all these routes begin.
        routes: In the order in which they are asked.

    """

    def __init__(self, prefix: str, routes: Iterable[BaseRoute]) -> None:
        self._prefix = prefix
        self._routes = tuple(routes)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Find the route that a request means."""
        if scope["type"] == "http" and scope["path"].startswith(self._prefix) and not scope.get("root_path"):
            for route in self._routes:
                match, found = route.matches(scope)
                if match is Match.FULL:
                    return match, {**found, FOUND: route}
        return Match.NONE, {}

    def url_path_for(self, name: str, /, **path_params: object) -> object:  # type: ignore[override]
        """The routers know."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the route that was found answer."""
        await scope[FOUND].handle(scope, receive, send)
