"""The routes that are asked for most, found at once.

FastAPI (0.165, ``routing.py``) asks each router that is included whether it has the route, and the one that
says yes once more; that costs a look at a job as much as its answer's JSON.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import BaseRoute
from starlette.types import Scope

from .ahead import Ahead

__all__ = ["Shortcut"]


class Shortcut(Ahead):
    """Stands before the routers, and asks routes of theirs without them.

    What is not asked for as a route declares it is left to the routers, which say what is wrong with it.

    Args:
        prefix: With which the paths of all these routes begin.
        routes: In the order in which they are asked.

    """

    def __init__(self, prefix: str, routes: Iterable[BaseRoute]) -> None:
        self._prefix = prefix
        self._routes = tuple(routes)

    def likely(self, scope: Scope) -> Iterable[BaseRoute]:
        """Return all of them for a path that begins as theirs do."""
        is_ours = scope["type"] == "http" and scope["path"].startswith(self._prefix)
        return self._routes if is_ours else ()
