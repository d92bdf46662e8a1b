"""Routes that are found at once by their whole path, instead of one after the other."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match, NoMatchFound, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

__all__ = ["RouteTable"]

FOUND = "comfywire.route"


class RouteTable(BaseRoute):
    """Stands before the others: a program may poll ten times a second, and each look at a route costs.

    What is not in it, or is not asked for as it is declared, is left to the routes themselves.

    Args:
        routes: Those whose path has a parameter are passed over.

    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._by_path: dict[str, list[Route | WebSocketRoute]] = {}
        for route in routes:
            if isinstance(route, Route | WebSocketRoute) and "{" not in route.path:
                self._by_path.setdefault(route.path, []).append(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Find a route by the path of a request."""
        for route in self._by_path.get(scope["path"], ()) if not scope.get("root_path") else ():
            match, found = route.matches(scope)
            if match is Match.FULL:
                return match, {**found, FOUND: route}
        return Match.NONE, {}

    def url_path_for(self, name: str, /, **path_params: object) -> object:  # type: ignore[override]
        """The routes themselves know."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the route that was found answer."""
        await scope[FOUND].handle(scope, receive, send)
