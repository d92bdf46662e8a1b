"""Queue and leave, watch from elsewhere; keys for paid nodes, which nobody else sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.cli.conftest import save
from tests.client.graphs import over_socket
from tests.server.wire import image, text_to_image

from comfywire.server import server_in_thread

KEY = "comfyui-0123456789abcdef"


def test_a_detached_run_prints_its_id_and_is_watched_later(comfywire, server, here: Path, picture):
    left = comfywire("run", picture, "--detach")
    watched = comfywire("watch", left.out.strip(), "--out", "out")

    assert (left.status, watched.status) == (0, 0)
    assert len(server.log) == 1
    assert [path.suffix for path in (here / "out").iterdir()] == [".png"]
    assert "done in" in watched.out


def test_a_watched_prompt_is_saved_only_where_that_is_asked_for(comfywire, server, here: Path, picture):
    left = comfywire("run", picture, "--detach", "--json")

    watched = comfywire("watch", left.result["prompt_id"], "--json")

    assert watched.result["status"] == "success"
    assert watched.result["saved"] == []
    assert len(watched.result["outputs"]) == 1


def test_watching_says_how_it_failed(comfywire, server, picture):
    server.faults.nodes.fail("no")
    left = comfywire("run", picture, "--detach")

    watched = comfywire("watch", left.out.strip())

    assert watched.status == 1
    assert "raised RuntimeError: no" in watched.err


def test_what_the_server_does_not_know_is_lost(comfywire, server):
    watched = comfywire("watch", "00000000-0000-4000-8000-000000000000")

    assert watched.status == 1
    assert "is no longer on" in watched.err


def test_of_a_prompt_whose_graph_is_not_read_yet_no_count_is_told(comfywire, server, picture):
    prompt_id = comfywire("run", picture, "--detach").out.strip()
    server.wait(server.until_done(prompt_id), timeout=60)

    watched, told = comfywire("watch", prompt_id), comfywire("watch", prompt_id, "--json")

    assert watched.out.splitlines()[0] == f"prompt {prompt_id}"
    assert told.of("submitted")[0]["nodes_total"] is None


def test_to_stop_watching_leaves_the_prompt_alone(start, server, comfywire, picture):
    held = server.faults.nodes.hold()
    prompt_id = comfywire("run", picture, "--detach").out.strip()
    watching = start("watch", prompt_id, "--server", server.url)
    assert prompt_id in watching.line()

    watching.signal()
    ended = watching.end()
    held.release()
    server.wait(server.until_done(prompt_id), timeout=60)

    assert ended.status == 130
    assert "left alone" in ended.err
    assert server.log[0].how == "success"


def test_a_detached_run_whose_output_is_dropped_says_so(comfywire, server, here):
    prompt = {**image(), "8": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}

    left = comfywire("run", save("two.json", prompt), "--detach")
    server.wait(server.until_done(left.out.strip()), timeout=60)

    assert left.status == 1
    assert "output node 8 (SaveImage) was dropped" in left.err


@pytest.fixture
def two_ways(here) -> str:
    """A workflow with one picture over the socket, and one in a file."""
    saver = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "kept"}}
    return save("two_ways.json", {**over_socket(), "3": saver})


@pytest.mark.parametrize("command", ["watch", "download"])
def test_pictures_that_went_to_another_socket_are_told_and_the_rest_is_saved(
    comfywire, server, here, two_ways, command
):
    left = comfywire("run", two_ways, "--detach")

    later = comfywire(command, left.out.strip(), "--out", "out")

    assert (left.status, later.status) == (0, 1)
    assert left.err.count("\n") == 1
    assert "lost with --detach: node 2 (SaveImageWebsocket)" in left.err
    assert "node 2 (SaveImageWebsocket): its pictures went to a socket" in later.err
    assert [path.name for path in (here / "out").iterdir()] == ["kept_00001_.png"]


@pytest.mark.parametrize("command", ["watch", "download"])
def test_pictures_that_were_not_asked_for_are_not_lost(comfywire, server, here, two_ways, command):
    left = comfywire("run", two_ways, "--detach", "--output", "3")

    later = comfywire(command, left.out.strip(), "--out", "out")

    assert (left.err, later.status, later.err) == ("", 0, "")


def test_watching_as_json_names_what_is_missing(comfywire, server, two_ways):
    left = comfywire("run", two_ways, "--detach")

    watched = comfywire("watch", left.out.strip(), "--json")

    assert watched.result["status"] == "failed"
    assert watched.result["error"]["type"] == "OutputsMissing"
    assert [output["node_id"] for output in watched.result["outputs"]] == ["3"]


def test_a_detached_run_names_the_seed_that_it_drew(comfywire, server, here):
    workflow = save("w.json", text_to_image(steps=1))

    plain = comfywire("run", workflow, "-p", "seed=random", "--detach")
    as_json = comfywire("run", workflow, "-p", "seed=random", "--detach", "--json")
    server.wait(server.until_idle(), timeout=60)

    first, second = (run.prompt["3"]["inputs"]["seed"] for run in server.log)
    assert plain.out.split() == [server.log[0].prompt_id]
    assert plain.err == f"drawn: -p seed={first}\n"
    [told] = as_json.events
    assert (told["event"], told["prompt_id"]) == ("submitted", server.log[1].prompt_id)
    assert told["inputs"]["seed"] == second
    assert as_json.err == ""


@pytest.mark.parametrize("folder", ["out", "."])
def test_where_to_save_does_not_go_with_leaving(comfywire, server, picture, folder):
    refused = comfywire("run", picture, "--detach", "--out", folder)

    assert (refused.status, server.log) == (2, [])
    assert "`comfywire watch ID --out DIR`" in refused.err


@pytest.mark.parametrize("option", ["--show", "--timeout=5", "--resubmit=1", "--no-save"])
def test_what_waits_does_not_go_with_leaving(comfywire, server, picture, option):
    refused = comfywire("run", picture, "--detach", option)

    assert (refused.status, server.log) == (2, [])
    assert option.partition("=")[0] in refused.err


def test_a_run_is_repeated_with_what_is_random_drawn_anew(comfywire, server, here):
    workflow = save("w.json", text_to_image(steps=1))

    ran = comfywire("run", workflow, "-p", "seed=random", "--repeat", "3", "--no-save", "--json")
    left = comfywire("run", workflow, "-p", "seed=random", "--repeat", "2", "--detach")

    seeds = [event["inputs"]["seed"] for event in ran.of("result")]
    assert len(set(seeds)) == 3
    assert len(left.out.split()) == 2


def test_a_failure_among_repeats_is_told_at_the_end(comfywire, server, picture):
    server.faults.nodes.fail("once")

    ran = comfywire("run", picture, "--repeat", "2", "--no-save", "--json")

    assert ran.status == 1
    assert [event["status"] for event in ran.of("result")] == ["failed", "success"]


def test_a_run_overtakes_what_is_queued(comfywire, server, picture):
    held = server.faults.nodes.hold()
    first = comfywire("run", picture, "--detach").out.strip()
    server.wait(server.until_running(first), timeout=60)
    second = comfywire("run", picture, "--detach").out.strip()
    third = comfywire("run", picture, "--detach", "--front").out.strip()
    waiting = json.loads(comfywire("queue", "--json").out)["pending"]

    held.release()
    server.wait(server.until_idle(), timeout=60)

    assert waiting == [third, second]
    assert [run.prompt_id for run in server.log] == [first, third, second]


class Paid:
    """A node that is given the key."""

    RETURN_TYPES = ()
    FUNCTION = "pay"
    CATEGORY = "tests"
    OUTPUT_NODE = True
    paid: ClassVar[list[str | None]] = []

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        return {"required": {}, "hidden": {"key": "API_KEY_COMFY_ORG"}}

    def pay(self, key: str | None = None) -> dict[str, Any]:
        self.paid.append(key)
        return {"ui": {"text": ["paid"]}}


@pytest.mark.parametrize("profile", ["0.3.64", "0.33.0"])
@pytest.mark.parametrize("where", ["option", "environment"])
def test_a_key_reaches_the_nodes_and_nobody_else(comfywire, here, monkeypatch, profile, where):
    if where == "environment":
        monkeypatch.setenv("COMFYWIRE_COMFY_API_KEY", KEY)
    option = ["--api-key", KEY] if where == "option" else []
    paid, wrong = (
        save(f"{name}.json", {"1": {"class_type": name, "inputs": {}}}) for name in ("Paid", "Nope")
    )
    Paid.paid.clear()
    with server_in_thread(nodes={"Paid": Paid}, profile=profile) as server:
        monkeypatch.setenv("COMFYWIRE_SERVER", server.url)

        ran = comfywire("run", paid, "--debug", "--json", *option)
        refused = comfywire("run", wrong, "--debug", *option)
        shown = comfywire("history", server.log[0].prompt_id, "--json")

    assert Paid.paid == [KEY]
    assert KEY not in ran.out + ran.err + shown.out + refused.out + refused.err
    assert (ran.status, refused.status, shown.status) == (0, 1, 0)


def test_help_does_not_show_a_key_of_the_environment(comfywire, monkeypatch):
    monkeypatch.setenv("COMFYWIRE_COMFY_API_KEY", KEY)

    assert KEY not in comfywire("run", "--help").out + comfywire("submit", "--help").out
