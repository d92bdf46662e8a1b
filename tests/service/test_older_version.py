"""An older version beside this one, on one database, while the schema is brought up to date."""

import asyncio
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from tests.server.wire import sleeper

from comfywire.server import Server
from comfywire.service.database.pool import Database
from comfywire.service.jobs.states import JobState, TransitionKind
from comfywire.service.migrate import migrate

from .processes import Service, service
from .rig import picture, until

ROOT = Path(__file__).parents[2]
OLDER = "204f725"
"""The last version whose transitions have sentences and no kinds."""
PLAIN = "7f610f6"
"""A version that knows no labels, groups and roles of parameters, and no order: it refuses them."""
SENTENCES = [
    (None, "queued", "submitted", TransitionKind.SUBMITTED),
    ("queued", "queued", "a worker took it", TransitionKind.CLAIMED),
    ("running", "running", "a worker took it", TransitionKind.CLAIMED),
    ("queued", "running", "a ComfyUI runs it", TransitionKind.BEGAN),
    ("running", "queued", "lost: http://a restarted", TransitionKind.LOST),
    ("running", "queued", "OutOfMemoryError: memory was freed for another try", TransitionKind.FREED),
    ("queued", "queued", "http://a was not reached: refused", TransitionKind.GIVEN_BACK),
    ("running", "running", "its worker stops", TransitionKind.HANDED_BACK),
    ("queued", "queued", "it is on no server any more", TransitionKind.HANDED_BACK),
    ("queued", "queued", "put off: the disk is full", TransitionKind.PUT_OFF),
    ("queued", "queued", "put off: a is out of reach of b", TransitionKind.PUT_OFF),
    ("running", "running", "http://a is out of reach of b", TransitionKind.OUT_OF_REACH),
    ("running", "canceling", "cancellation was asked for", TransitionKind.CANCEL_ASKED),
    ("canceling", "canceling", "a worker took it", TransitionKind.CLAIMED),
    ("canceling", "failed", "lost: it is not repeated", TransitionKind.ENDED),
    ("queued", "expired", "no server took it in the time that it may wait", TransitionKind.ENDED),
    ("failed", "queued", "somebody retries it", TransitionKind.RETRIED),
]


@pytest.mark.parametrize("row", SENTENCES, ids=lambda row: f"{row[0]}-{row[1]}-{row[3]}")
async def test_what_an_older_process_writes_gets_the_kind_of_its_sentence(
    database: Database, key_id: uuid.UUID, row: tuple[str | None, str, str, TransitionKind]
) -> None:
    before, after, sentence, kind = row
    found = await database.one(
        "INSERT INTO jobs (id, key_id, prompt, need, expires_at) "
        "VALUES (gen_random_uuid(), %(key_id)s, '{}', 'x', now()) RETURNING id",
        key_id=key_id,
    )
    assert found is not None
    await database.do(
        "INSERT INTO transitions (job_id, from_state, to_state, attempt, reason) "
        "VALUES (%(job_id)s, %(before)s, %(after)s, 0, %(sentence)s)",
        job_id=found["id"],
        before=before,
        after=after,
        sentence=sentence,
    )

    assert await database.one("SELECT kind::text FROM job_transitions") == {"kind": kind}


def test_the_table_covers_every_kind() -> None:
    assert {kind for *_, kind in SENTENCES} == set(TransitionKind)


async def test_the_database_knows_the_same_kinds(database: Database) -> None:
    found = await database.one("SELECT enum_range(NULL::transition_kind)::text[] AS kinds")

    assert found == {"kinds": list(TransitionKind)}


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of an older version."""
    return sources_of(OLDER, tmp_path_factory.mktemp("older"))


@pytest.fixture
def older_database_url(empty_database_url: str, older: Path) -> str:
    """The URL of a database that the older version has made."""
    return made_by(older, empty_database_url)


def sources_of(commit: str, folder: Path) -> Path:
    """The sources of a commit, in a folder."""
    archive = subprocess.run(["git", "-C", ROOT, "archive", commit, "src"], capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"commit {commit} is not in this clone: {archive.stderr.decode().strip()}")
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    return folder / "src"


def made_by(source: Path, database_url: str) -> str:
    """The URL of a database, after that version has made its schema there."""
    command = [sys.executable, "-m", "comfywire", "db", "upgrade", "--database-url", database_url]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(source)}, check=True, capture_output=True)
    return database_url


@pytest.mark.hostile
async def test_an_older_and_a_newer_process_share_a_database_while_it_is_brought_up_to_date(
    older_database_url: str, older: Path, tmp_path: Path, server: Server
) -> None:
    prompts = [picture(color) for color in range(30)]

    async with service(older_database_url, tmp_path, server.url, source=older) as before:
        hold = server.faults.nodes.hold(class_type="TestSleep")
        sleeping = await before.submit(sleeper(0.1))
        jobs = [await before.submit(prompt) for prompt in prompts[:10]]
        await until(lambda: is_running(before, sleeping))

        submitting = asyncio.create_task(submit_all(before, prompts[10:20]))
        taken = await migrate(older_database_url)
        jobs += await submitting
        hold.release()
        async with service(older_database_url, tmp_path, server.url) as after:
            jobs += await submit_all(after, prompts[20:25]) + await submit_all(before, prompts[25:])
            everything = [sleeping, *jobs]
            for job_id in everything:
                await until(lambda job_id=job_id: is_over(after, job_id))  # type: ignore[misc]
            paths = {job_id: (await before.path(job_id), await after.path(job_id)) for job_id in everything}

    assert "0080_kinds.sql" in taken
    assert {job_id: len(server.runs(job_id)) for job_id in everything} == dict.fromkeys(everything, 1)
    for old, new in paths.values():
        assert old == new
        assert old[-1] == JobState.SUCCEEDED
        assert old.count(JobState.SUCCEEDED) == 1
    assert kinds_that_differ_from_their_sentences(older_database_url) == []


@pytest.mark.hostile
async def test_an_older_process_reads_and_runs_the_workflows_that_a_newer_one_registers(
    empty_database_url: str, tmp_path: Path, server: Server
) -> None:
    older = sources_of(PLAIN, tmp_path)
    url = made_by(older, empty_database_url)
    color = {"type": "int", "inputs": ["1.color"], "default": 7}
    labelled = {
        "z": {**color, "label": "Colour", "group": "Look"},
        "a": {"inputs": ["1.width"], "role": "width"},
    }
    told = {"workflow": picture(1), "parameters": labelled, "outputs": {"z": ["2"], "a": ["2"]}}

    async with service(url, tmp_path, server.url, source=older) as before:
        await registered(before, "theirs", {"workflow": picture(2), "parameters": {"color": color}})
        for _ in range(8):  # on every connection of its pool, statements are prepared for the older schema
            await workflow(before, "theirs")
        await migrate(url)
        async with service(url, tmp_path, server.url) as after:
            await registered(after, "ours", told)
            await registered(after, "app", {"workflow": picture(3), "document": drawn_in_app_mode()})
            listed = (await before.http.get("/workflows")).json()["workflows"]
            seen = {name: await workflow(before, name) for name in ("theirs", "ours", "app")}
            jobs = [await run(before, name) for name in seen]
            known = {name: await workflow(after, name) for name in seen}
            for job_id in jobs:
                await until(lambda job_id=job_id: is_over(after, job_id))  # type: ignore[misc]
            ends = [(await before.job(job_id))["status"] for job_id in jobs]

    assert [one["name"] for one in listed] == ["app", "ours", "theirs"]
    assert seen["ours"]["parameters"]["z"] == color
    assert [one["inputs"] for one in seen["app"]["parameters"].values()] == [["1.color"]]
    assert [one["label"] for one in known["app"]["parameters"].values()] == ["Paint"]
    assert ends == ["succeeded"] * 3
    assert [*known["ours"]["parameters"].items()] == [
        ("z", labelled["z"]),
        ("a", {"type": "any", "inputs": ["1.width"], "role": "width"}),
    ]
    assert [*known["ours"]["outputs"]] == ["z", "a"]
    assert known["theirs"]["parameters"] == {"color": color}


def drawn_in_app_mode() -> dict[str, Any]:
    """The editor's document of a picture whose author chose its colour, and calls it so."""
    node = {"id": 1, "type": "EmptyImage", "inputs": [{"name": "color", "label": "Paint", "link": None}]}
    chosen = {"inputs": [["1", "color", {"description": "Of everything."}]], "outputs": ["2"]}
    return {"nodes": [node], "links": [], "version": 0.4, "extra": {"linearData": chosen}}


async def registered(there: Service, name: str, body: dict[str, Any]) -> None:
    answer = await there.http.put(f"/workflows/{name}", json=body)
    assert answer.status_code == 200, answer.text


async def workflow(there: Service, name: str) -> dict[str, Any]:
    answer = await there.http.get(f"/workflows/{name}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def run(there: Service, name: str) -> str:
    answer = await there.http.post(f"/workflows/{name}/jobs", json={})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def submit_all(there: Service, prompts: list[dict[str, Any]]) -> list[str]:
    return [await there.submit(prompt) for prompt in prompts]


async def is_running(there: Service, job_id: str) -> bool:
    return (await there.job(job_id))["status"] == JobState.RUNNING


async def is_over(there: Service, job_id: str) -> bool:
    return (await there.job(job_id))["status"] in ("succeeded", "failed")


def kinds_that_differ_from_their_sentences(url: str) -> list[dict[str, Any]]:
    with psycopg.connect(url, options="-c search_path=comfywire", row_factory=dict_row) as connection:
        return connection.execute(
            "SELECT * FROM job_transitions WHERE kind <> kind_of(from_state, to_state, reason)"
        ).fetchall()
