import asyncio
import json
import logging
import re
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from comfywire.service.access.callers import Caller
from comfywire.service.hooks import MOST_CALLS, BrokenHook, Hooks, HttpHook, Refusal, submission_facts
from comfywire.service.jobs.records import NewJob
from comfywire.service.settings import Settings

from .receiver import receiver

JOB = {"id": "1", "prompt": {}}
OUTPUT = {"node_id": "9", "kind": "image", "name": "a.png", "content_type": "image/png", "size_bytes": 3}


class Policy:
    """Refuses what is labelled so; withholds pictures that begin with a word."""

    def on_submit(self, job: dict[str, Any]) -> str | None:
        return job.get("labels", {}).get("refuse")

    def on_result(self, facts: dict[str, Any], path: Path) -> str | None:
        return f"{facts['output']['name']} is bad" if path.read_bytes() == b"bad" else None


class Fails:
    def on_submit(self, job: dict[str, Any]) -> str | None:
        raise RuntimeError("sentinel of its own")


class Hangs:
    async def on_submit(self, job: dict[str, Any]) -> str | None:
        await asyncio.Event().wait()
        return None


class Blocks:
    """A hook that was written without asyncio in mind."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()

    def on_submit(self, job: dict[str, Any]) -> str | None:
        self.goes_on.wait()
        return None


class Babbles:
    def on_submit(self, job: dict[str, Any]) -> Any:
        return True


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "output"
    path.write_bytes(b"bad")
    return path


async def test_a_job_passes_where_nobody_objects() -> None:
    assert await Hooks({}).on_submit(JOB) is None
    assert await Hooks({"policy": Policy()}).on_submit(JOB) is None


async def test_a_hook_refuses_in_its_words() -> None:
    refused = await Hooks({"policy": Policy()}).on_submit({"labels": {"refuse": "not on Sundays"}})

    assert refused == Refusal("not on Sundays")


@pytest.mark.parametrize(("content", "reason"), [(b"bad", "a.png is bad"), (b"good", None)])
async def test_a_hook_withholds_what_it_saw(picture: Path, content: bytes, reason: str | None) -> None:
    await asyncio.to_thread(picture.write_bytes, content)

    assert await Hooks({"policy": Policy()}).on_result(JOB, OUTPUT, picture) == reason


async def test_the_first_that_objects_decides() -> None:
    hooks = Hooks({"policy": Policy(), "fails": Fails()})

    assert await hooks.on_submit({"labels": {"refuse": "no"}}) == Refusal("no")


async def test_a_hook_is_asked_only_what_it_answers(picture: Path) -> None:
    assert await Hooks({"fails": Fails()}).on_result(JOB, OUTPUT, picture) is None


@pytest.mark.parametrize(
    ("hook", "timeout", "what"),
    [
        (Fails(), 60, r"failed \(RuntimeError\)"),
        (Hangs(), 0.1, "took too long"),
        (Babbles(), 60, r"failed \(BrokenHook\)"),
    ],
    ids=["raises", "hangs", "babbles"],
)
async def test_a_hook_without_an_answer_stops_the_job(hook: object, timeout: float, what: str) -> None:
    refused = await Hooks({"policy": hook}, timeout=timeout).on_submit(JOB)

    assert refused is not None
    assert not refused.is_policy
    assert "'policy'" in refused.reason
    assert re.search(what, refused.reason)


@pytest.mark.parametrize("hook", [Fails(), Hangs(), Babbles()], ids=["raises", "hangs", "babbles"])
async def test_a_hook_without_an_answer_lets_pass_where_the_operator_says_so(
    hook: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert await Hooks({"policy": hook}, timeout=0.1, fail_open=True).on_submit(JOB) is None
    assert "let pass" in caplog.text


async def test_a_hook_that_blocks_stops_nothing_else() -> None:
    hook = Blocks()
    asking = asyncio.create_task(Hooks({"policy": hook}).on_submit(JOB))
    await asyncio.sleep(0)  # the loop goes on, or this never returns

    hook.goes_on.set()

    assert await asking is None


async def test_a_reason_is_kept_short() -> None:
    refused = await Hooks({"policy": Policy()}).on_submit({"labels": {"refuse": "no" * 10_000}})

    assert refused is not None
    assert len(refused.reason) == 500


async def test_an_http_hook_is_asked_about_a_job() -> None:
    async with receiver(answers=[200], body=b'{"allow": false, "reason": "no"}') as asked:
        async with Hooks({"http": HttpHook(asked.url)}) as hooks:
            refused = await hooks.on_submit(JOB)

        assert refused == Refusal("no")
        assert json.loads(asked.received[0].body) == {"hook": "on_submit", "job": JOB}


async def test_an_http_hook_gets_an_outputs_facts_and_bytes(picture: Path) -> None:
    async with receiver(answers=[200], body=b'{"allow": false, "reason": "seen"}') as asked:
        async with Hooks({"http": HttpHook(asked.url)}) as hooks:
            assert await hooks.on_result(JOB, OUTPUT, picture) == "seen"

        body = asked.received[0].body
        assert json.dumps({"hook": "on_result", "job": JOB, "output": OUTPUT}).encode() in body
        assert b"\r\nContent-Type: image/png\r\n\r\nbad\r\n" in body


async def test_an_http_hook_that_allows_lets_pass(picture: Path) -> None:
    async with (
        receiver(answers=[200], body=b'{"allow": true}') as asked,
        Hooks({"http": HttpHook(asked.url)}) as hooks,
    ):
        assert await hooks.on_submit(JOB) is None
        assert await hooks.on_result(JOB, OUTPUT, picture) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(500, b'{"allow": true}', id="an error status"),
        pytest.param(204, b"", id="nothing"),
        pytest.param(302, b'{"allow": true}', id="a redirect"),
        pytest.param(200, b"<html>", id="a page"),
        pytest.param(200, b"{}", id="no verdict"),
        pytest.param(200, b'{"allow": 1}', id="a number"),
        pytest.param(200, b'["allow"]', id="a list"),
    ],
)
async def test_an_http_hook_that_says_nothing_clear_stops_the_job(status: int, body: bytes) -> None:
    async with (
        receiver(answers=[status], body=body) as asked,
        Hooks({"http": HttpHook(asked.url)}) as hooks,
    ):
        refused = await hooks.on_submit(JOB)

    assert refused is not None
    assert not refused.is_policy


async def test_an_http_hook_that_is_away_stops_the_job(unused_tcp_port: int) -> None:
    async with Hooks({"http": HttpHook(f"http://127.0.0.1:{unused_tcp_port}/")}) as hooks:
        refused = await hooks.on_submit(JOB)

    assert refused is not None
    assert "try again later" in refused.reason


async def test_what_a_hook_raises_is_not_told_to_callers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    refused = await Hooks({"policy": Fails()}).on_submit(JOB)

    assert refused is not None
    assert "sentinel" not in refused.reason


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with the metadata of an installed distribution."""
    folder = tmp_path / "acme_policy-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-policy\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


async def test_installed_hooks_are_found(installed: Path, tmp_path: Path) -> None:
    (installed / "entry_points.txt").write_text("[comfywire.hooks]\nacme = acme_policy_1\n")
    (tmp_path / "acme_policy_1.py").write_text("def on_submit(job): return 'acme says no'\n")

    async with Hooks.of(Settings(data=tmp_path, hook_url="http://127.0.0.1:9/")) as hooks:
        assert await hooks.on_submit(JOB) == Refusal("acme says no")
        assert hooks.names("on_submit") == ["acme", "the HTTP hook"]
        assert hooks.names("on_result") == ["the HTTP hook"]


@pytest.mark.parametrize(
    ("code", "problem"),
    [("1 / 0", "cannot be loaded: division by zero"), ("x = 1", "has neither on_submit nor on_result")],
)
def test_an_installed_hook_that_cannot_be_used_is_not_left_out_silently(
    installed: Path, tmp_path: Path, code: str, problem: str
) -> None:
    name = f"acme_policy_{uuid.uuid4().hex}"
    (installed / "entry_points.txt").write_text(f"[comfywire.hooks]\nacme = {name}\n")
    (tmp_path / f"{name}.py").write_text(code)

    with pytest.raises(BrokenHook, match=f"hook 'acme' {problem}"):
        Hooks.of(Settings(data=tmp_path))


def test_a_hook_learns_of_a_job_but_not_its_secret() -> None:
    key_id = uuid.uuid4()
    job = NewJob(
        id=uuid.uuid4(),
        key_id=key_id,
        prompt={"1": {}},
        need="n",
        requirement={},
        labels={"order": "17"},
        secret=b"SENTINEL",
    )

    facts = submission_facts(job, Caller(key_id, "shop", frozenset({"submit"})))

    assert facts["key"] == {"id": str(key_id), "name": "shop"}
    assert facts["labels"] == {"order": "17"}
    assert "SENTINEL" not in json.dumps(facts)


class Hanging:
    """A policy that asks somebody who does not answer, about the jobs of the keys in ``keys``."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys
        self.released = threading.Event()

    def on_submit(self, job: Mapping[str, Any]) -> str | None:
        if job["key"]["id"] in self.keys:
            self.released.wait()
        return None


async def test_a_hook_that_hangs_for_one_key_is_still_asked_for_others_and_file_work_goes_on() -> None:
    hook = Hanging("a")
    hooks = Hooks({"policy": hook}, timeout=0.2)
    try:
        refused = await asyncio.gather(*[hooks.on_submit({"key": {"id": "a"}}) for _ in range(100)])
        hooks._timeout = 30  # what is not held answers, at whatever speed

        async with asyncio.timeout(30):
            assert await hooks.on_submit({"key": {"id": "b"}}) is None
            assert await asyncio.to_thread(lambda: "files are written in these threads") is not None
            again = await hooks.on_submit({"key": {"id": "a"}})
    finally:
        hook.released.set()

    assert all(one is not None and not one.is_policy for one in refused)
    assert again is not None
    assert "asked no more" in again.reason


async def test_threads_that_a_hook_holds_are_bounded_and_free_again_when_it_returns() -> None:
    hook = Hanging(*map(str, range(100)))
    hooks = Hooks({"policy": hook}, timeout=0.2)
    before = set(threading.enumerate())  # another test's may be about to end

    await asyncio.gather(*[hooks.on_submit({"key": {"id": str(number)}}) for number in range(100)])
    mine = set(threading.enumerate()) - before
    held = [thread for thread in mine if thread.name == "comfywire hooks"]
    hook.released.set()
    hooks._timeout = 30  # what is not held answers, at whatever speed
    for thread in held:
        await asyncio.to_thread(thread.join)

    assert len(held) == MOST_CALLS
    assert all(thread.daemon for thread in held)  # a process that stops does not wait for them
    assert await hooks.on_submit({"key": {"id": "0"}}) is None


async def test_an_http_hook_has_time_for_the_bytes_of_an_output_as_well(
    tmp_path: Path,
) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(b" " * 1000)
    output = {"content_type": "image/png", "size_bytes": 30_000_000}  # time for more than it has
    async with receiver(body=b'{"allow": true}', answers=[200]) as server:
        server.hold.clear()
        hooks = Hooks({"policy": HttpHook(server.url)}, timeout=0.1)
        asyncio.get_running_loop().call_later(0.5, server.hold.set)

        assert await hooks.on_result({}, output, path) is None
        server.hold.clear()
        assert await hooks.on_result({}, {**output, "size_bytes": 0}, path) is not None
        async with hooks:
            pass
