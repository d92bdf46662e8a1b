"""A PostgreSQL in a folder: made, started, used by several processes, stopped by the last."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import psycopg

from comfywire.errors import ComfywireError
from comfywire.service.postgres.file_locks import lock, locked, nobody_else_has
from comfywire.service.postgres.programs import Account, account_for, programs_for

__all__ = ["Cluster", "NoDatabase"]

PORT = 5432
"""Only part of the socket's name: nothing listens on TCP."""
PATIENCE = 300.0
"""Seconds for a server to be ready; it may have to recover from its own death first."""
STOP_PATIENCE = 30.0
STEP = 0.05
LONGEST_SOCKET = 100
"""Bytes of a socket's path; Linux takes 107, macOS 103."""
LOG_LIMIT = 1 << 20
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "cluster_name": "comfywire",
    "max_connections": "200",
    "jit": "off",  # our statements are short
    "log_checkpoints": "off",
    "log_min_messages": "log",  # no errors of statements: we report those, and they may name what is secret
    "log_min_error_statement": "panic",
}
LEAVING = ("pre-existing shared memory block", 'lock file "')
"""What a new server says while the processes of one that was killed are still on their way out."""


class NoDatabase(ComfywireError):
    """PostgreSQL was not started, or not reached; the message says why."""


class Cluster:
    """A PostgreSQL in a folder. Its methods block.

    Args:
        folder: Where everything of it is; made when it is missing.
        programs: Where ``initdb`` and ``postgres`` are; by default in the wheel.
        patience: Seconds that the server may take to start.

    """

    def __init__(self, folder: Path, *, programs: Path | None = None, patience: float = PATIENCE) -> None:
        self.folder = folder.resolve()
        self._data = self.folder / "data"
        self._log = self.folder / "log"
        self._programs = programs
        self._patience = patience
        self._use: int | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """How to reach it, as libpq takes it."""
        return f"postgresql://postgres@/postgres?host={quote(str(self._socket_folder))}&port={PORT}"

    @property
    def pid(self) -> int | None:
        """The process of the server; None when it does not run."""
        try:
            pid = int((self._data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return pid if _is_postgres(pid) else None

    @property
    def is_made(self) -> bool:
        """Whether there is a database in the folder, running or not."""
        return (self._data / "PG_VERSION").exists()

    def attach(self) -> None:
        """Use the server: start it unless it runs.

        Raises:
            NoDatabase: It does not start.

        """
        self._make_folder()
        self._use = lock(self.folder / "users.lock", exclusive=False)
        try:
            self.ensure_running()
        except BaseException:
            self.detach()
            raise

    def detach(self) -> None:
        """Use the server no more; the last one who does stops it. Nothing happens without :meth:`attach`."""
        if self._use is None:
            return
        with locked(self.folder / "start.lock"):
            try:
                if nobody_else_has(self._use):
                    self._stop()
                if self._server is not None:
                    self._server.poll()  # one of ours that was killed, while another's took its place
            finally:
                os.close(self._use)
                self._use = None

    def ensure_running(self) -> None:
        """Start the server unless it runs, and wait until it takes connections.

        Raises:
            NoDatabase: It does not start.

        """
        with locked(self.folder / "start.lock"):
            if not self.is_made:
                self._initialise()
            until = time.monotonic() + self._patience
            while not self._is_ready():
                if self._has_failed() or time.monotonic() > until:
                    raise NoDatabase(f"PostgreSQL does not start: {self._last_words()}; see {self._log}")
                if self.pid is None and not self._is_starting():
                    self._launch()
                time.sleep(STEP)

    def _make_folder(self) -> None:
        if sys.platform == "win32":
            raise NoDatabase("the embedded PostgreSQL needs Linux or macOS; name another with --database-url")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._log.touch(mode=0o600)
            if self._log.stat().st_size > LOG_LIMIT:
                self._log.write_bytes(b"")
        except OSError as error:
            raise NoDatabase(
                f"nothing can be written to {self.folder}: {error.strerror}; "
                "name another folder with --data, or a PostgreSQL with --database-url"
            ) from error

    @property
    def _socket_folder(self) -> Path:
        """In the data, unless that path is too long for a socket."""
        if len(os.fsencode(self._data / f".s.PGSQL.{PORT}")) <= LONGEST_SOCKET:
            return self._data
        name = hashlib.sha256(os.fsencode(self._data)).hexdigest()[:16]
        return Path("/tmp") / f"comfywire-{name}"  # noqa: S108 - 0700, and its owner is checked; the same for all

    def _initialise(self) -> None:
        """Make a new cluster beside its place, so that one that is half made is never taken for a whole."""
        new = self.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        account = account_for(new)
        account.own(new)
        arguments = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-instructions"]
        # Not the machine's locales: an upgrade of those would leave the indexes in the wrong order.
        arguments += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        with self._log.open("ab") as output:
            done = self._run("initdb", arguments, new, account, output.fileno()).wait()
        if done:
            raise NoDatabase(
                f"no database can be made in {self.folder}: {self._last_words()}; see {self._log}"
            )
        new.rename(self._data)

    def _launch(self) -> None:
        (self._data / "postmaster.pid").unlink(missing_ok=True)  # nobody of that number is a PostgreSQL
        account = account_for(self._data)
        settings = SETTINGS | {"unix_socket_directories": self._sockets(account)}
        arguments = [word for pair in settings.items() for word in ("-c", "=".join(pair))]
        with self._log.open("ab") as output:
            self._server = self._run("postgres", arguments, self._data, account, output.fileno())

    def _sockets(self, account: Account) -> str:
        folder = self._socket_folder
        if folder != self._data:
            self._make_private(folder, account)
        # One that was killed may be a zombie until whoever started it looks, and so seem to hold its lock.
        (folder / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)
        # "." is where the server stands; as another user than root it may not walk there.
        return "." if folder == self._data else str(folder)

    def _make_private(self, folder: Path, account: Account) -> None:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            account.own(folder)
        if not _is_private(folder, account):
            raise NoDatabase(
                f"{folder}, for a socket, is not ours: remove it, or take a shorter path for --data"
            )

    def _run(
        self, program: str, arguments: list[str], folder: Path, account: Account, output: int
    ) -> subprocess.Popen[bytes]:
        """Start a program in its folder, in a session of its own: Ctrl-C at the terminal is not for it."""
        programs = programs_for(account, self._programs)
        try:
            return subprocess.Popen(  # noqa: S603
                [programs / program, "-D", account.here(folder), *arguments],
                cwd=folder,
                env={"PATH": os.defpath, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **account.options,
            )
        except OSError as error:
            raise NoDatabase(f"{programs / program} cannot be run: {error.strerror}") from error

    def _is_ready(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _is_starting(self) -> bool:
        return self._server is not None and self._server.poll() is None

    def _has_failed(self) -> bool:
        if self._server is None or not self._server.poll():  # it runs, or was stopped in order
            return False
        return self._server.returncode > 0 and not any(words in self._last_words() for words in LEAVING)

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        grave = [line for line in lines[-50:] if "FATAL:" in line or "error:" in line or "PANIC:" in line]
        return grave[-1].partition("FATAL:")[2].strip() or grave[-1] if grave else "it says nothing"

    def _stop(self) -> None:
        """Stop the server in order: it ends what is under way, and nothing has to be recovered."""
        if (pid := self.pid) is None:
            return
        for how in (signal.SIGINT, signal.SIGQUIT):
            until = time.monotonic() + STOP_PATIENCE
            while self.pid == pid and time.monotonic() < until:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)
                time.sleep(STEP)
        if self._server is not None:
            self._server.wait()
        if self._socket_folder != self._data:
            with contextlib.suppress(OSError):
                self._socket_folder.rmdir()


def _is_private(folder: Path, account: Account) -> bool:
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == account.uid and not found.st_mode & 0o77


def _is_postgres(pid: int) -> bool:
    """Whether such a process lives; where there is no /proc, any that lives is taken for one."""
    if not Path("/proc/self/stat").exists():
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return True
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "(postgres)" in text and "(postgres) Z" not in text
