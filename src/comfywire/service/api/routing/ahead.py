"""A route that stands before others, and finds one of them faster than they would be asked one by one."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

__all__ = ["Ahead"]

FOUND = "comfywire.route"


class Ahead(BaseRoute):
    """What it does not find, or is not asked for as a route declares it, is left to the routes themselves."""

    def likely(self, scope: Scope) -> Iterable[BaseRoute]:
        """Return the routes that a request may mean; none is asked that is not among them."""
        raise NotImplementedError

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Find the route that a request means."""
        for route in () if scope.get("root_path") else self.likely(scope):
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
