"""Routes that are found at once by their whole path, instead of one after the other."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Scope

from comfywire.service.api.routing.ahead import Ahead

__all__ = ["RouteTable"]


class RouteTable(Ahead):
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

    def likely(self, scope: Scope) -> Iterable[BaseRoute]:
        """Return those with the path of a request."""
        return self._by_path.get(scope["path"], ())
