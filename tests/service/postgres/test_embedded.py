"""Over real processes: each runs HOLD, which uses the PostgreSQL of a folder until its input ends."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import psycopg
import pytest

from comfywire.service.postgres.embedded import Cluster, NoDatabase, database_at, embedded
from comfywire.service.postgres.programs import Account, account_for, programs_for

HOLD = """
import asyncio, sys
from pathlib import Path
from comfywire.service.postgres.embedded import embedded

async def main():
    async with embedded(Path(sys.argv[1])) as url:
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""
STARTING = (b"57P03", b"the database system is starting up")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="is about root")
as_somebody = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


class Holder:
    """A process that uses the PostgreSQL of a folder."""

    def __init__(self, data: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", HOLD, data], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = self._pipe(self._process.stdout).readline().strip()
        assert self.url

    def leave(self) -> None:
        self._pipe(self._process.stdin).close()
        assert self._process.wait() == 0
        self._pipe(self._process.stdout).close()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._pipe(self._process.stdin).close()
        self._pipe(self._process.stdout).close()

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder; what still runs in it at the end is stopped."""
    yield tmp_path / "data"
    cluster = Cluster(tmp_path / "data" / "postgres")
    if cluster.pid is not None:
        cluster.attach()
        cluster.detach()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a cluster that was used once, and is stopped."""
    cluster = Cluster(tmp_path_factory.mktemp("template"))
    cluster.attach()
    cluster.detach()
    return cluster.folder


@pytest.fixture
def made(data: Path, template: Path) -> Path:
    """A data folder with a database in it: a copy, which costs a tenth of a new one."""
    data.mkdir()
    subprocess.run(["cp", "-a", template, data / "postgres"], check=True)
    return data


def ask(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def server_of(data: Path) -> int | None:
    return Cluster(data / "postgres").pid


def user_of(process: int | None) -> int:
    return Path(f"/proc/{process}").stat().st_uid


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - it is other processes that make it so
            await asyncio.sleep(0.01)


async def test_a_folder_that_is_not_there_becomes_a_database(data: Path) -> None:
    async with embedded(data) as url:
        assert ask(url, "SHOW server_version_num")[0] >= ("180000",)


async def test_the_server_stops_with_its_only_user(made: Path) -> None:
    async with embedded(made) as url:
        assert ask(url, "SELECT 1") == [(1,)]

    assert server_of(made) is None


async def test_what_was_written_is_there_at_the_next_start(made: Path) -> None:
    async with embedded(made) as url:
        ask(url, "CREATE TABLE kept AS SELECT 7 AS seven")

    async with embedded(made) as url:
        assert ask(url, "SELECT seven FROM kept") == [(7,)]


def test_a_second_process_uses_the_server_of_the_first(made: Path) -> None:
    first, second = Holder(made), Holder(made)
    server = server_of(made)

    first.leave()

    assert server_of(made) == server
    assert ask(second.url, "SELECT 1") == [(1,)]
    second.leave()
    assert server_of(made) is None


def test_processes_that_start_at_once_share_one_server(data: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, data], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        for _ in range(4)
    ]

    assert [process.wait() for process in processes] == [0, 0, 0, 0]
    assert server_of(data) is None


def test_a_server_whose_user_was_killed_is_used_again_by_the_next(made: Path) -> None:
    killed = Holder(made)
    ask(killed.url, "CREATE TABLE kept AS SELECT 7 AS seven")
    server = server_of(made)
    killed.kill()

    successor = Holder(made)

    assert server_of(made) == server
    assert ask(successor.url, "SELECT seven FROM kept") == [(7,)]
    successor.leave()


def test_a_server_whose_user_was_killed_is_stopped_by_the_next(made: Path) -> None:
    Holder(made).kill()
    assert server_of(made) is not None

    Holder(made).leave()

    assert server_of(made) is None


async def test_a_server_that_is_killed_comes_back_with_what_was_committed(made: Path) -> None:
    async with embedded(made) as url:
        ask(url, "CREATE TABLE kept AS SELECT 7 AS seven")
        killed = server_of(made)
        assert killed is not None

        os.kill(killed, signal.SIGKILL)
        await until(lambda: server_of(made) not in (None, killed))
        await until(lambda: Cluster(made / "postgres")._is_ready())

        assert ask(url, "SELECT seven FROM kept") == [(7,)]


async def test_a_server_that_is_killed_comes_back_while_two_processes_use_it(made: Path) -> None:
    async with embedded(made) as url:
        other = Holder(made)
        killed = server_of(made)
        assert killed is not None

        os.kill(killed, signal.SIGKILL)
        await until(lambda: server_of(made) not in (None, killed))
        await until(lambda: Cluster(made / "postgres")._is_ready())

        assert ask(url, "SELECT 1") == ask(other.url, "SELECT 1") == [(1,)]
        other.leave()


def test_a_server_that_was_killed_does_not_hold_others_up_until_its_starter_looks(made: Path) -> None:
    starter, other = (Cluster(made / "postgres", patience=10.0) for _ in range(2))
    starter.attach()
    other.attach()
    killed = starter.pid
    assert killed is not None

    os.kill(killed, signal.SIGKILL)
    os.waitid(os.P_PID, killed, os.WEXITED | os.WNOWAIT)  # it is dead, and stays a zombie
    other.ensure_running()

    assert ask(other.url, "SELECT 1") == [(1,)]
    starter.detach()
    other.detach()


async def test_a_number_of_the_server_that_is_somebody_elses_by_now_is_not_believed(made: Path) -> None:
    async with embedded(made):
        pass
    (made / "postgres" / "data" / "postmaster.pid").write_text(
        f"{os.getpid()}\n/proc/self/cwd\n0\n5432\n.\n\n\n"
    )

    async with embedded(made) as url:
        assert ask(url, "SELECT 1") == [(1,)]


async def test_a_database_that_was_half_made_is_made_again(data: Path) -> None:
    half = data / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    async with embedded(data) as url:
        assert ask(url, "SELECT 1") == [(1,)]


async def test_a_path_that_is_too_long_for_a_socket_is_no_obstacle(data: Path) -> None:
    async with embedded(data / ("long" * 30)) as url:
        assert ask(url, "SELECT 1") == [(1,)]


@as_root
async def test_a_socket_folder_that_somebody_else_made_is_not_used(data: Path) -> None:
    long = data / ("long" * 30)
    long.mkdir(parents=True)
    theirs = Cluster(long / "postgres")._socket_folder
    theirs.mkdir(mode=0o777)

    with pytest.raises(NoDatabase, match="is not ours: remove it, or take a shorter path"):
        async with embedded(long):
            pass
    theirs.rmdir()


async def test_nothing_but_the_socket_reaches_it(made: Path) -> None:
    async with embedded(made) as url:
        assert ask(url, "SHOW listen_addresses") == [("",)]
        assert Cluster(made / "postgres")._socket_folder.stat().st_mode & 0o77 == 0


@as_root
async def test_as_root_it_runs_as_another_user_and_opens_no_folder_to_anybody(data: Path) -> None:
    private = data / "private"
    private.mkdir(parents=True, mode=0o700)

    async with embedded(private):
        assert user_of(server_of(private)) != 0
        assert private.stat().st_mode & 0o777 == 0o700


@as_root
def test_programs_that_only_root_can_reach_are_copied_once_to_where_others_can(tmp_path: Path) -> None:
    account = Account(uid=65534, gid=65534, is_ours=False)
    wheels = programs_for(account)
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    (hidden / "pginstall").symlink_to(wheels.parent)
    cache = Path("/var/cache") / f"comfywire-test-{uuid.uuid4().hex}"

    try:
        copied = programs_for(account, hidden / "pginstall" / "bin", cache)
        made = copied.stat()
        again = programs_for(account, hidden / "pginstall" / "bin", cache)

        assert copied.is_relative_to(cache)
        assert subprocess.run([copied / "postgres", "--version"], user=65534, check=False).returncode == 0
        assert again.stat() == made
    finally:
        shutil.rmtree(cache, ignore_errors=True)


@as_root
def test_data_that_somebody_owns_is_served_under_that_account(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 23456)

    assert account_for(tmp_path) == Account(12345, 23456, is_ours=False)


async def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(
        NoDatabase, match=r"nothing can be written to .*/file/postgres: Not a directory; name another"
    ):
        async with embedded(tmp_path / "file"):
            pass


@as_somebody
async def test_a_folder_that_is_not_writable_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "fixed").mkdir(mode=0o500)

    with pytest.raises(NoDatabase, match="Permission denied; name another"):
        async with embedded(tmp_path / "fixed"):
            pass


async def test_data_of_another_version_is_one_sentence(made: Path) -> None:
    async with embedded(made):
        pass
    (made / "postgres" / "data" / "PG_VERSION").write_text("12\n")

    with pytest.raises(NoDatabase, match="does not start: database files are incompatible with server; see "):
        async with embedded(made):
            pass
    (made / "postgres" / "data" / "PG_VERSION").write_text("18\n")


async def test_a_start_that_is_cancelled_leaves_nothing_running(data: Path) -> None:
    async def use() -> None:
        async with embedded(data):
            raise AssertionError

    using = asyncio.create_task(use())
    await until((data / "postgres" / "data.new").exists)
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using

    assert server_of(data) is None


async def test_a_database_that_is_not_there_is_one_sentence(tmp_path: Path, unused_tcp_port: int) -> None:
    with pytest.raises(NoDatabase, match=r"of --database-url is not to be reached: .*refused"):
        async with database_at(tmp_path, f"postgresql://127.0.0.1:{unused_tcp_port}/none"):
            pass


async def test_without_an_url_the_database_is_the_embedded_one(made: Path) -> None:
    async with database_at(made, None) as url:
        assert ask(url, "SHOW cluster_name") == [("comfywire",)]


async def test_with_an_url_nothing_is_started(data: Path, database_url: str) -> None:
    async with database_at(data, database_url) as url:
        assert url == database_url
        assert server_of(data) is None


async def test_a_database_that_says_that_it_is_starting_is_waited_for(data: Path) -> None:
    tries = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tries
        tries += 1
        await reader.read(8)
        code, words = STARTING if tries == 1 else (b"42000", b"broken")
        report = b"SFATAL\0C%b\0M%b\0\0" % (code, words)
        writer.write(b"E" + (len(report) + 4).to_bytes(4, "big") + report)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(NoDatabase, match="broken"):
            async with database_at(
                data, f"postgresql://x@127.0.0.1:{port}/x?sslmode=disable&gssencmode=disable"
            ):
                pass

    assert tries == 2
