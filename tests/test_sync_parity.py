"""The blocking client is the asynchronous one, with the same names, and works wherever code may stand."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.client.graphs import Show, image, show, text_to_image

import comfywire
from comfywire import Executing, JobFailed, JobProgress, JobTimedOut, sync
from comfywire.server import Server, server_in_thread
from comfywire.sync import background

PAIRS: list[tuple[type, type]] = [
    (comfywire.Client, sync.Client),
    (comfywire.Job, sync.Job),
    (comfywire.Result, sync.Result),
    (comfywire.Output, sync.Output),
]
# What the parts of the asynchronous client, and the job service, need of each other.
INTERNAL = {"canceller", "catalogue", "downloads", "news", "submit_ready", "told_to", "tooling", "uploads"}
# Named one by one, because the class wraps them; `has_bytes` and the like are passed on as they are.
WRAPPED = [
    pytest.param(getattr(asynchronous, name), method, id=f"{blocking.__name__}.{name}")
    for asynchronous, blocking in PAIRS
    for name, method in sorted(vars(blocking).items())
    if inspect.isfunction(method) and not name.startswith("_")
]


def public(kind: type) -> set[str]:
    fields = getattr(kind, "__dataclass_fields__", {})
    return {name for name in (*dir(kind), *fields) if not name.startswith("_")} - INTERNAL


def test_every_public_name_is_in_both(client: sync.Client):
    job = client.submit(show(text=["x"]))
    result = job.result()
    instances = [client, job, result, result.outputs[0]]

    missing = {
        f"{asynchronous.__name__}.{name}"
        for (asynchronous, _), instance in zip(PAIRS, instances, strict=True)
        for name in public(asynchronous)
        if not hasattr(instance, name)
    }

    assert missing == set()


@pytest.mark.parametrize(("asynchronous", "blocking"), PAIRS)
def test_the_blocking_class_has_no_names_of_its_own(asynchronous, blocking):
    assert public(blocking) <= public(asynchronous) | {
        "inputs",
        "node_errors",
        "outputs",
        "prompt",
        "prompt_id",
        "warnings",
    }


@pytest.mark.parametrize(("asynchronous", "blocking"), WRAPPED)
def test_every_method_takes_the_same_arguments(asynchronous, blocking):
    assert inspect.signature(blocking).parameters == inspect.signature(asynchronous).parameters
    assert not inspect.iscoroutinefunction(blocking)
    assert blocking.__doc__


def test_both_clients_are_made_with_the_same_arguments():
    assert inspect.signature(sync.Client).parameters == inspect.signature(comfywire.Client).parameters


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with server_in_thread(nodes={"Show": Show}) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[sync.Client]:
    server.wait(server.reset())
    with sync.Client(server.url) as client:
        yield client


def test_a_workflow_is_run_from_beginning_to_end(client: sync.Client, tmp_path: Path):
    shown: list[JobProgress] = []

    result = client.run({**image(), **show(text=["x"])}, on_progress=shown.append)

    assert shown[-1].fraction == 1.0
    assert [output.kind for output in result.outputs] == ["image", "text"]
    assert result.outputs[0].read().startswith(b"\x89PNG")
    assert [path.name for path in result.save(tmp_path)] == ["test_00001_.png", "node9_text.txt"]
    assert result.outputs[1].value == "x"
    assert [output.node_id for output in result.of("9")] == ["9"]


def test_every_plain_request_blocks_until_it_is_answered(client: sync.Client):
    upload = client.upload(b"x", name="x.bin", overwrite=True)
    job = client.attach(client.run(image()).prompt_id)

    assert client.view(upload.filename, type="input") == b"x"
    assert list(client.history(job.prompt_id)) == [job.prompt_id]
    assert client.queue().running == ()
    assert "checkpoints" in client.models()
    assert job.result().outputs


def test_events_are_iterated(client: sync.Client):
    job = client.submit(text_to_image())

    heard = list(job.events())

    assert heard[-1] == Executing(job.prompt_id, None)
    assert job.is_done
    assert job.progress.phase == "done"
    assert [output.filename for output in job.outputs] == ["test_00001_.png"]


def test_events_can_be_left_early(client: sync.Client):
    job = client.submit(text_to_image())
    for _ in job.events():
        break

    assert job.result().outputs
    server_side = job._job._watch.channels
    client.queue()  # the loop has had its turn
    assert server_side == []


def test_a_failed_job_has_outputs_that_can_be_read(client: sync.Client):
    prompt = image()
    prompt["5"] = {"class_type": "TestSleep", "inputs": {"value": ["1", 0], "seconds": 0.05}}
    prompt["3"] = {"class_type": "TestSyncError", "inputs": {"value": ["5", 0]}}
    prompt["4"] = {"class_type": "PreviewAny", "inputs": {"source": ["3", 0]}}

    with pytest.raises(JobFailed) as failure:
        client.run(prompt)

    assert failure.value.outputs[0].read().startswith(b"\x89PNG")


def test_a_job_that_takes_too_long_is_cancelled(server: Server, client: sync.Client):
    server.call(server.faults.nodes.hold, node_id="2")

    with pytest.raises(JobTimedOut, match="and was cancelled"):
        client.run(image(), timeout=0.1)


async def test_it_works_inside_a_running_loop(server: Server):
    assert asyncio.get_running_loop()
    with sync.Client(server.url) as client:
        assert client.run(image()).outputs


def test_several_threads_share_a_client(client: sync.Client):
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda color: client.run(image(color)), range(24)))

    assert len({result.prompt_id for result in results}) == 24
    assert all(len(result.outputs) == 1 for result in results)


def test_clients_share_one_thread(server: Server):
    for _ in range(3):
        with sync.Client(server.url) as client:
            client.queue()

    assert [thread.name for thread in threading.enumerate()].count("comfywire") == 1


def test_a_callback_that_would_wait_for_itself_is_told_so(client: sync.Client):
    with pytest.raises(RuntimeError, match="a callback runs in the background loop and cannot wait for it"):
        client.run(image(), on_progress=lambda progress: client.clear_queue())


def test_a_callback_may_look_at_its_job(client: sync.Client):
    job = client.submit(image())
    seen: list[str] = []

    job.result(on_progress=lambda progress: seen.append(f"{job.progress.phase} {job!r}"))

    assert seen[-1].startswith("done <Job")


def test_a_client_that_is_not_open_says_how_to_open_it(server: Server):
    with pytest.raises(RuntimeError, match=r"`with comfywire\.sync\.Client.* or its open\(\)"):
        sync.Client(server.url).queue()


SCRIPT = """
    import signal
    import sys
    from comfywire import sync
    from comfywire.sync import background
    from tests.client.graphs import image

    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell's background begins ignores it
    background.TOGETHER = 60  # a busy machine may bring the second one late
    with sync.Client(sys.argv[1]) as client:
        try:
            client.run(image(), prompt_id=sys.argv[2])
        except KeyboardInterrupt:
            print("interrupted", client.queue().running, flush=True)
"""


def test_ctrl_c_takes_the_prompt_back_before_it_goes_on(server: Server):
    server.wait(server.reset())
    server.call(server.faults.nodes.hold, node_id="2")
    prompt_id = "6f9619ff-8b86-4011-b42d-00c04fc964ff"
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), server.url, prompt_id]
    root = Path(__file__).parents[1]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
    ) as program:
        server.wait(server.until_executing(prompt_id, "2"), 60)
        program.send_signal(signal.SIGINT)
        told, _ = program.communicate(timeout=60)

    assert told.splitlines()[-1] == "interrupted ()"
    assert [run.how for run in server.runs(prompt_id)] == ["interrupted"]


def test_several_ctrl_c_at_once_take_the_prompt_back_all_the_same(server: Server):
    """As where a shell and the wrapper in it each send one; the second comes while the first is seen to."""
    server.wait(server.reset())
    server.call(server.faults.nodes.hold, node_id="2")
    late = server.call(server.faults.replies.delay, "POST /interrupt", 0.3)
    prompt_id = "6f9619ff-8b86-4011-b42d-00c04fc964fe"
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), server.url, prompt_id]
    root = Path(__file__).parents[1]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
    ) as program:
        server.wait(server.until_executing(prompt_id, "2"), 60)
        program.send_signal(signal.SIGINT)
        server.wait(server.until(lambda: late.hits == 1), 60)
        program.send_signal(signal.SIGINT)
        told, _ = program.communicate(timeout=60)

    assert told.splitlines()[-1] == "interrupted ()"
    assert [run.how for run in server.runs(prompt_id)] == ["interrupted"]


@pytest.fixture
def python_s_own_ctrl_c() -> Iterator[None]:
    """The handler of a program: a test before may have left another, and a shell's background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("python_s_own_ctrl_c")
def test_ctrl_c_later_on_is_another_one(monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    monkeypatch.setattr(background.time, "monotonic", lambda: now[0])
    interrupts = 0
    with background._one_interrupt():
        for now[0] in (10.0, 10.0, 10.9, 11.0, 11.5):
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                interrupts += 1

    assert interrupts == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
