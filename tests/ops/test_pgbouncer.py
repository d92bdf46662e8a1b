"""The service behind a real PgBouncer, in both of its modes."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
import pytest
from tests.service.conftest import execute
from tests.service.processes import Service, service
from tests.service.rig import picture, until

from comfywire.server import Server
from comfywire.service.postgres.cluster import PORT, Cluster

from .programs import PATIENCE, find, folder_of_nobody, free_port, running

Pooler = Callable[[str], AbstractContextManager[str]]
CONFIGURATION = """
[databases]
postgres = host={sockets} port={port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(
        tmp_path / ("p" * 100)
    )  # so long that its socket is in /tmp, where PgBouncer reaches it
    cluster.attach()
    yield cluster
    cluster.detach()


@pytest.fixture
def pooler(cluster: Cluster) -> Pooler:
    """A PgBouncer in front of a database, in some mode; it is the database's URL."""

    @contextmanager
    def start(mode: str) -> Iterator[str]:
        program = find("pgbouncer")
        with folder_of_nobody() as (folder, account):
            file = folder / "pgbouncer.ini"
            port = free_port()
            file.write_text(
                CONFIGURATION.format(sockets=cluster._socket_folder, port=PORT, listen=port, mode=mode)
            )
            with running([program, str(file)], account):
                url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
                wait_for(url)
                yield url

    return start


def wait_for(url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            continue
        return
    raise AssertionError(f"{url} does not answer")


def comfywire(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "comfywire", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


MODES = {
    "session": (),
    "transaction": ("--database-prepare", "off"),
    "transaction-and-a-second-url": ("--database-prepare", "off", "--database-listen-url"),
}


@pytest.mark.parametrize("way", MODES)
async def test_jobs_run_and_are_told_of_through_a_pooler(
    pooler: Pooler, cluster: Cluster, tmp_path: Path, server: Server, way: str
) -> None:
    options = [*MODES[way], *([cluster.url] if "--database-listen-url" in MODES[way] else [])]
    if "transaction" in way:
        execute(cluster.url, "ALTER ROLE postgres SET search_path = comfywire")
    with pooler(way.partition("-")[0]) as url:
        upgraded = await asyncio.to_thread(comfywire, "db", "upgrade", "--database-url", url)
        assert upgraded.returncode == 0, upgraded.stderr

        async with service(url, tmp_path / "data", server.url, options=options) as there:
            jobs = await asyncio.gather(*(there.submit(picture(color)) for color in range(20)))
            told = [await events(there, job_id) for job_id in jobs[:3]]
            for job_id in jobs:
                await until(lambda job_id=job_id: has_succeeded(there, job_id))  # type: ignore[misc]

    assert all('"status": "succeeded"' in text or '"status":"succeeded"' in text for text in told)
    assert {job_id: len(server.runs(job_id)) for job_id in jobs} == dict.fromkeys(jobs, 1)


async def events(there: Service, job_id: str) -> str:
    """All that is told of a job, to its end."""
    async with there.http.stream("GET", f"/jobs/{job_id}/events") as response:
        return (await response.aread()).decode()


async def has_succeeded(there: Service, job_id: str) -> bool:
    return (await there.job(job_id))["status"] == "succeeded"


def test_keys_are_made_through_a_pooler_in_transaction_mode(pooler: Pooler, cluster: Cluster) -> None:
    execute(cluster.url, "ALTER ROLE postgres SET search_path = comfywire")
    with pooler("transaction") as url:
        assert comfywire("db", "upgrade", "--database-url", url).returncode == 0

        made = comfywire("keys", "create", "mine", "--database-url", url)

    assert made.stdout.startswith("cw_"), made.stderr


@pytest.mark.parametrize(
    ("query", "options", "words"),
    [
        pytest.param("", (), "a pooler in transaction mode", id="sessions-are-shared"),
        pytest.param(
            "", ("--database-prepare", "off"), "ALTER ROLE postgres SET search_path", id="no-search-path"
        ),
        pytest.param("?options=-cjit%3Doff", (), "refuses the parameter 'options'", id="options"),
    ],
)
def test_what_is_missing_is_said_at_the_start_in_one_sentence(
    pooler: Pooler, tmp_path: Path, query: str, options: tuple[str, ...], words: str
) -> None:
    with pooler("transaction") as url:
        refused = comfywire("serve", "--data", str(tmp_path), "--database-url", url + query, *options)

    assert refused.returncode != 0
    assert words in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
