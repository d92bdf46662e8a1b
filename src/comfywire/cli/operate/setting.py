"""Options of the service's processes, each of which may stand in the environment as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

__all__ = ["setting"]


def setting(
    flag: str, name: str | None = None, **about: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return an option that ``COMFYWIRE_NAME`` gives, too, and whose help says so and what it is by default.

    Args:
        flag: ``--base-url``.
        name: As what it arrives, where that is not ``base_url``.
        about: For ``click.option``.

    """
    arrives = name or flag.removeprefix("--").replace("-", "_")
    known: dict[str, Any] = {
        "envvar": f"COMFYWIRE_{arrives.upper()}",
        "show_envvar": True,
        "show_default": "default" in about,
    }
    return click.option(flag, arrives, **(known | about))
