from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from math import inf
from typing import ClassVar

import aiohttp
import pytest
from tests.server.wire import Wire, image

from comfywire.errors import MissingExtra
from comfywire.server import Server, load_nodes, serve_forever, server_in_thread
from comfywire.server.execution.node_host import NodeHost


def test_importing_the_package_brings_in_nothing_heavy():
    code = "import comfywire.server, sys; print([m for m in ('aiohttp', 'numpy', 'PIL') if m in sys.modules])"

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert printed.stdout == "[]\n"


@pytest.mark.parametrize("missing", ["PIL", "numpy"])
def test_a_missing_extra_is_named_with_the_command_that_installs_it(missing):
    code = f"import sys; sys.modules[{missing!r}] = None\nfrom comfywire.server import Server"

    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert failed.stderr.endswith(str(MissingExtra("the test server", "server")) + "\n")


def test_an_unknown_name_is_an_attribute_error():
    import comfywire.server

    with pytest.raises(AttributeError, match="no attribute 'Serve'"):
        comfywire.server.Serve  # noqa: B018 - the access is the test


async def test_nothing_is_left_when_it_is_closed():
    before = set(threading.enumerate())
    async with Server() as server, Wire(server.url) as wire:
        folder = server.folder
        feed = await wire.feed()
        server.faults.nodes.hold()
        prompt_id = await wire.submit(image(), feed)
        await server.until_executing(prompt_id, "1")

    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    assert set(threading.enumerate()) <= before
    assert [task.get_name() for task in tasks if "comfywire" in task.get_name()] == []
    assert not folder.exists()


async def test_a_folder_of_the_callers_is_kept_but_for_temp(tmp_path):
    (tmp_path / "input").mkdir()
    (tmp_path / "input/mine.png").touch()

    async with Server(folder=tmp_path) as server:
        (server.folder / "temp/theirs.png").touch()

    assert (tmp_path / "input/mine.png").exists()
    assert not (tmp_path / "temp").exists()


async def test_it_starts_in_milliseconds():
    took = [inf]

    while min(took) >= 0.2 and len(took) <= 50:  # others share this machine, and may hold up many of them
        begin = time.perf_counter()
        async with Server():
            took.append(time.perf_counter() - begin)

    assert min(took) < 0.2


async def test_a_port_of_ones_own(unused_tcp_port):
    async with Server(port=unused_tcp_port) as server:
        assert server.url == f"http://127.0.0.1:{unused_tcp_port}"
        assert server.address == f"127.0.0.1:{unused_tcp_port}"


async def test_it_cannot_be_started_twice():
    async with Server() as server:
        with pytest.raises(RuntimeError, match="running already"):
            await server.start()


async def test_it_can_be_closed_twice():
    async with Server() as server:
        pass

    await server.close()


def test_using_it_before_it_runs_says_so():
    with pytest.raises(RuntimeError, match="async with Server"):
        Server().life  # noqa: B018 - the access is the test


async def test_faults_belong_to_one_server():
    async with Server() as server:
        with pytest.raises(RuntimeError, match="belong to another server"):
            Server(faults=server.faults)


async def test_requests_are_counted_by_route_without_the_prefix():
    async with Server() as server, Wire(server.url) as wire:
        for path in ("/api/history/a", "/history/b", "/queue", "/nowhere"):
            await wire.get(path)

        assert server.requests == {"GET /history/{prompt_id}": 2, "GET /queue": 1, "GET /{path}": 1}


async def test_two_servers_in_one_process_do_not_meet():
    async with Server() as one, Server() as other, Wire(one.url) as wire, Wire(other.url) as other_wire:
        prompt_id = await wire.submit(image())
        await one.until_done(prompt_id)

        assert await other_wire.history(prompt_id) == {}
        assert list((other.folder / "output").iterdir()) == []


async def test_waiting_for_something_ends_with_the_condition():
    async with Server() as server:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(server.until_running("never"), 0.05)

        assert server._waiting == []


async def test_the_log_says_how_each_run_ended():
    async with Server() as server, Wire(server.url) as wire:
        prompt_id = await wire.submit(image(), client_id="me")
        await server.until_idle()

        (run,) = server.runs(prompt_id)
        assert (run.client_id, run.number, run.how, run.nodes) == ("me", 0, "success", ["1", "2"])
        assert run.end is not None
        assert run.start <= run.end


async def test_the_log_has_the_prompt_as_it_was_submitted():
    prompt = {**image(), "3": {"class_type": "TestCustomIsChanged", "inputs": {"image": ["1", 0]}}}
    prompt["2"]["inputs"]["images"] = ["3", 0]
    async with Server() as server, Wire(server.url) as wire:
        await wire.submit(prompt)
        await server.until_idle()

        assert [run.prompt for run in server.log] == [prompt]


async def test_the_log_forgets_the_first_runs_when_there_are_very_many(monkeypatch):
    monkeypatch.setattr("comfywire.server.execution.worker.MAXIMUM_LOG_SIZE", 3)
    async with Server() as server, Wire(server.url) as wire:
        prompt_ids = [await wire.submit(image(number)) for number in range(5)]
        await server.until_idle()

        assert [run.prompt_id for run in server.log] == prompt_ids[-3:]


async def test_serving_for_ever_ends_when_it_is_cancelled():
    started: asyncio.Future[Server] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve_forever(on_start=started.set_result))
    server = await started

    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving

    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(server.url)


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_running_ends_with_a_signal(number):
    code = (
        "import os, signal\n"
        "from comfywire.server import run\n"
        "def started(server):\n"
        "    print(server.url, flush=True)\n"
        f"    os.kill(os.getpid(), signal.{number})\n"
        "run(on_start=started)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout.startswith("http://127.0.0.1:")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_server_in_a_thread_is_waited_for_from_outside():
    with server_in_thread(step_time=0) as server:
        prompt_id = server.wait(server.faults.prompts.submit(image()))
        server.wait(server.until_done(prompt_id))

        with pytest.raises(TimeoutError):
            server.wait(server.until_running("never"), 0.05)

    assert [run.how for run in server.log] == ["success"]


OWN = """
class Shout:
    RETURN_TYPES = ()
    FUNCTION = "shout"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {})}}

    def shout(self, text):
        return {"ui": {"text": [text.upper()]}}
"""


@pytest.mark.parametrize(
    "ending", ["", '\nNODE_CLASS_MAPPINGS = {"Shout": Shout}\n'], ids=["classes", "mappings"]
)
async def test_nodes_of_ones_own_run(tmp_path, ending):
    (tmp_path / "mine.py").write_text(OWN + ending)
    prompt = {"1": {"class_type": "Shout", "inputs": {"text": "hello"}}}

    async with Server(nodes=load_nodes(tmp_path / "mine.py")) as server, Wire(server.url) as wire:
        prompt_id = await wire.submit(prompt)
        await server.until_done(prompt_id)
        entry = await wire.history(prompt_id)

    assert entry["outputs"] == {"1": {"text": ["HELLO"]}}


class Slow:
    RETURN_TYPES = ()
    FUNCTION = "wait"
    OUTPUT_NODE = True
    host: ClassVar[NodeHost]

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802 - ComfyUI's name
        return {"required": {}}

    def wait(self):
        for step in range(3):
            self.host.sleep(0)
            self.host.progress(step + 1, 3)
        return {"ui": {"text": [str(self.host.folders.root)]}}


async def test_a_node_of_ones_own_finds_progress_and_folders_at_its_host():
    async with Server(nodes={"Slow": Slow}) as server, Wire(server.url) as wire:
        feed = await wire.feed()
        prompt_id = await wire.submit({"1": {"class_type": "Slow", "inputs": {}}}, feed)
        await feed.until_end(prompt_id)

        assert feed.of("executed")[0]["output"] == {"text": [str(server.folder)]}
        assert [(data["value"], data["node"]) for data in feed.of("progress")] == [
            (1, "1"),
            (2, "1"),
            (3, "1"),
        ]


class Stubborn:
    RETURN_TYPES = ()
    FUNCTION = "insist"
    OUTPUT_NODE = True
    released = threading.Event()

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802 - ComfyUI's name
        return {"required": {}}

    def insist(self):
        self.released.wait(60)
        return {"ui": {"text": ["done"]}}


async def test_a_node_that_does_not_let_go_is_left_behind(caplog):
    server = Server(nodes={"Stubborn": Stubborn})
    server._options = replace(server._options, join_timeout=0.05)
    async with server, Wire(server.url) as wire:
        prompt_id = await wire.submit({"1": {"class_type": "Stubborn", "inputs": {}}})
        await server.until_executing(prompt_id, "1")
        worker = server.life.worker._thread

    assert "does not let go" in caplog.text
    Stubborn.released.set()
    worker.join(60)
    assert not worker.is_alive()


class Unspeakable:
    RETURN_TYPES = ()
    FUNCTION = "show"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802 - ComfyUI's name
        return {"required": {}}

    def show(self):
        return {"ui": {"text": [object()]}}


async def test_a_message_that_cannot_be_encoded_is_the_last(caplog):
    async with Server(nodes={"Unspeakable": Unspeakable}) as server, Wire(server.url) as wire:
        feed = await wire.feed()
        await wire.submit({"1": {"class_type": "Unspeakable", "inputs": {}}}, feed)
        await server.until(lambda: "no more are sent" in caplog.text)

        assert "not JSON serializable" in caplog.text


@pytest.mark.parametrize(
    ("name", "says"), [("empty.py", "has no node classes"), ("nodes.txt", "is no Python file")]
)
def test_a_file_without_nodes_says_what_it_lacks(tmp_path, name, says):
    (tmp_path / name).touch()

    with pytest.raises(ValueError, match=says):
        load_nodes(tmp_path / name)


async def test_node_classes_that_are_missing_are_stood_in_for():
    entry = {
        "input": {
            "required": {"image": ["IMAGE"], "model": ["UPSCALE_MODEL"]},
            "optional": {"n": ["INT", {}]},
        },
        "output": ["IMAGE", "INT", "MASK", "LATENT", ["a", "b"], "UPSCALE_MODEL"],
        "output_node": False,
        "name": "UpscaleSomehow",
    }
    loader = {"input": {}, "output": ["UPSCALE_MODEL"], "output_node": False, "name": "LoadSomehow"}
    shower = {
        "input": {"required": {"pictures": ["IMAGE"]}},
        "output": [],
        "output_node": True,
        "name": "ShowSomehow",
    }
    known = {each["name"]: each for each in (entry, loader, shower)}
    prompt = {
        "1": {"class_type": "LoadSomehow", "inputs": {}},
        "2": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
        "3": {"class_type": "UpscaleSomehow", "inputs": {"image": ["2", 0], "model": ["1", 0], "n": 7}},
        "4": {"class_type": "ShowSomehow", "inputs": {"pictures": ["3", 0]}},
        "5": {"class_type": "PreviewAny", "inputs": {"source": ["3", 1]}},
        "6": {"class_type": "PreviewAny", "inputs": {"source": ["3", 4]}},
    }

    async with Server(object_info=json.loads(json.dumps(known))) as server, Wire(server.url) as wire:
        prompt_id = await wire.submit(prompt)
        await server.until_done(prompt_id)
        outputs = (await wire.history(prompt_id))["outputs"]

    assert outputs["5"] == {"text": ["7"]}
    assert outputs["6"] == {"text": ["a"]}
    assert len(outputs["4"]["images"]) == 1
