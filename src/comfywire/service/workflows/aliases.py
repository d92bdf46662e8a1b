"""Other names of a registered workflow: those that programs have built in, such as gpt-image-1."""

from __future__ import annotations

import re
from collections.abc import Sequence

from comfywire.errors import InvalidParameter, WorkflowError
from comfywire.service.database.pool import Connection, execute, row
from comfywire.service.sql import queries

__all__ = ["AliasTaken", "check_aliases", "is_alias", "keep_aliases"]

SQL = queries("workflows")
MOST_ALIASES = 20
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,99}")


class AliasTaken(WorkflowError):
    """A name or an alias is another workflow's: nobody could tell which of the two is meant."""

    code = "alias_taken"
    http_status = 409

    def __init__(self, taken: str, owner: str) -> None:
        self.taken = taken
        self.owner = owner
        super().__init__(
            f"{taken!r} means the workflow {owner!r} already: choose another name, or take it from that one"
        )


def is_alias(text: str) -> bool:
    """Whether ``text`` can be an alias; every name of a workflow can."""
    return _ALIAS.fullmatch(text) is not None


def check_aliases(name: str, aliases: Sequence[str]) -> None:
    """Check the aliases of the workflow ``name``, without asking whose they are.

    Raises:
        InvalidParameter: There are too many, or one cannot be an alias.

    """
    if len(aliases) > MOST_ALIASES:
        raise InvalidParameter(
            f"{name} has {len(aliases)} aliases, and {MOST_ALIASES} are allowed: drop some"
        )
    for alias in aliases:
        if not is_alias(alias):
            raise InvalidParameter(
                f"{alias[:80]!r} is no alias: use up to 100 letters, digits, '.', '_', '-', ':' and '/', "
                "a letter or digit first"
            )


async def keep_aliases(connection: Connection, name: str, aliases: Sequence[str] | None) -> None:
    """Give a workflow ``aliases`` instead of its own, in the caller's transaction; None leaves those.

    The name itself is looked at, too: it must be no alias of another workflow.

    Raises:
        AliasTaken: The name, or an alias, is another workflow's.

    """
    names = [name, *(aliases or ())]
    await execute(connection, SQL["lock_names"], names=names)
    if (taken := await row(connection, SQL["taken"], name=name, names=names)) is not None:
        raise AliasTaken(taken["taken"], taken["name"])
    if aliases is not None:
        await execute(connection, SQL["drop_aliases"], name=name)
        await execute(connection, SQL["add_aliases"], name=name, aliases=list(aliases))
