"""Other people's programs that the service runs behind, as `make test-ops` has Debian install them."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen

import pytest

from comfywire.service.postgres.programs import Account, account_for

__all__ = ["PATIENCE", "find", "folder_of_nobody", "free_port", "running"]

PATIENCE = 60
"""Seconds for what a program does, on a machine that is at other work, too."""


def find(program: str) -> str:
    """Return where a program is. Without it the test is skipped, and with CI=true it fails."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail(f"{program} is not installed: `make test-ops` does that as root, with apt-get")
    if found is None:
        pytest.skip(f"{program} is not installed: `make test-ops` does that as root, with apt-get")
    return found


def free_port() -> int:
    """Return a port that nothing listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def folder_of_nobody() -> Iterator[tuple[Path, Account]]:
    """A folder that belongs to whom PostgreSQL runs as, which is never root: PgBouncer refuses that, too."""
    folder = Path(tempfile.mkdtemp(prefix="comfywire-ops-"))
    try:
        account = account_for(folder)
        account.own(folder)
        yield folder, account
    finally:
        shutil.rmtree(folder)


@contextmanager
def running(command: list[str], account: Account | None = None) -> Iterator[None]:
    """A program that runs while the test does."""
    options = {} if account is None else account.options
    with Popen(command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, **options) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)
