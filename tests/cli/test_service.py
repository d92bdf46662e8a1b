"""The commands for the job service, against a service that was started as users start it."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from tests.cli.conftest import Finished, save
from tests.server.wire import image, sleeper, text_to_image

pytest.importorskip("procrastinate", reason="the job service needs the extra 'service'")

SCALE = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "mine.png"}},
    "2": {
        "class_type": "ImageScaleBy",
        "inputs": {"image": ["1", 0], "upscale_method": "area", "scale_by": 2.0},
    },
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "up"}},
}
FAILING = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
    "2": {"class_type": "TestSyncError", "inputs": {"value": ["1", 0]}},
    "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
}


@pytest.fixture(autouse=True)
def named(service: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands talk to it."""
    monkeypatch.setenv("COMFYWIRE_SERVICE", service)


@pytest.fixture
def draw(here: Path) -> str:
    return save(here / "draw.json", image())


def new_name() -> str:
    """Registered workflows outlive a test."""
    return f"w{uuid.uuid4().hex[:8]}"


def width(path: Path) -> int:
    with Image.open(path) as picture:
        return picture.width


def submitted(finished: Finished) -> str:
    assert finished.status == 0, finished.err
    return str(finished.events[0]["prompt_id"])


def test_a_file_is_submitted_and_safe(comfywire, draw, service):
    job_id = submitted(comfywire("submit", draw, "--json"))

    assert httpx.get(f"{service}/api/v2/jobs/{job_id}").status_code == 200


def test_a_job_is_followed_to_its_saved_results(comfywire, draw, here):
    finished = comfywire("submit", draw, "--out", here / "out", "--json")

    result = finished.result
    (path,) = result["saved"]
    assert (finished.status, result["event"], result["status"]) == (0, "result", "success")
    assert Path(path).read_bytes().startswith(b"\x89PNG")
    assert [event["status"] for event in finished.of("status")][-1] == "succeeded"


def test_a_pipe_gets_a_line_for_each_thing_that_happens(comfywire, here):
    steps = save(here / "steps.json", text_to_image(steps=20))

    finished = comfywire("submit", steps, "--wait")

    words = [line.split(": ", 1)[1] for line in finished.out.splitlines()]
    assert words[0] == "queued"
    assert words[-1] == "succeeded"
    assert any("KSampler" in line for line in words)


def test_a_seed_that_is_drawn_for_a_file_is_told(comfywire, here, service):
    steps = save(here / "steps.json", text_to_image(steps=2))

    submitted = comfywire("submit", steps, "-p", "seed=random", "--json").events[0]

    graph = httpx.get(f"{service}/api/v2/jobs/{submitted['prompt_id']}/workflow").json()["workflow"]
    seeds = [node["inputs"]["seed"] for node in graph.values() if "seed" in node["inputs"]]
    assert submitted["drawn"] == {"seed": seeds[0]}


def test_a_seed_that_the_service_draws_is_told(comfywire, here, service):
    name = new_name()
    comfywire("workflows", "add", name, save(here / "steps.json", text_to_image(steps=2)))

    out = comfywire("submit", name, "-p", "seed=random").out

    job_id, words = out.strip().removeprefix("job ").split(": ", 1)
    seed = httpx.get(f"{service}/api/v2/jobs/{job_id}").json()["inputs"]["seed"]
    assert words == f"queued, drawn: -p seed={seed}"


def test_a_job_that_fails_makes_the_command_fail(comfywire, here):
    finished = comfywire("submit", save(here / "bad.json", FAILING), "--wait")

    assert finished.status == 1
    assert finished.err.startswith("comfywire: job ")
    assert finished.err.endswith("; --debug shows the server's traceback\n")
    assert len(finished.err.splitlines()) == 1


def test_a_job_that_a_comfyui_refused_promises_no_traceback(comfywire, here):
    nowhere = {"class_type": "LoadImage", "inputs": {"image": "nowhere.png"}}  # others upload a mine.png
    finished = comfywire("submit", save(here / "scale.json", {**SCALE, "1": nowhere}), "--wait")

    assert finished.status == 1
    assert finished.err.endswith(
        "image 'nowhere.png' is not on the server; check the path, or upload the file first\n"
    )


def test_a_job_that_did_not_make_what_was_asked_for_is_no_success(comfywire, here):
    prompt = image()
    prompt["9"] = {"class_type": "PreviewImage", "inputs": {}}

    finished = comfywire("submit", save(here / "half.json", prompt), "--out", here / "out")

    assert finished.status == 1
    assert len(list((here / "out").iterdir())) == 1  # what did come is saved
    (line,) = finished.err.splitlines()
    assert line.startswith("comfywire: job ")
    assert "output node 9 (PreviewImage) was dropped" in line


def test_who_waits_for_a_job_learns_why_no_server_runs_it(start, here):
    prompt = text_to_image()
    prompt["4"]["inputs"]["ckpt_name"] = "x.safetensors"
    running = start("submit", save(here / "missing.json", prompt), "--wait")

    lines = [running.line()]
    while "no server has" not in lines[-1]:
        assert lines[-1]
        lines.append(running.line())
    running.signal()
    running.end()

    assert lines[-1].rstrip().endswith("no server has checkpoint 'x.safetensors'")


def test_parameters_of_a_file_are_set_and_its_pictures_uploaded(comfywire, here, red):
    finished = comfywire(
        "submit",
        save(here / "scale.json", SCALE),
        "-p",
        f"image={red}",
        "-p",
        "scale=4",
        "--out",
        here,
        "--json",
    )

    from PIL import Image

    assert finished.status == 0, finished.err
    with Image.open(finished.result["saved"][0]) as saved:
        assert saved.size == (32, 32)


def test_the_home_folder_is_meant_by_a_tilde(comfywire, here, red, monkeypatch):
    name = new_name()
    comfywire("workflows", "add", name, save(here / "scale.json", SCALE))
    home = here / "home"
    home.mkdir()
    (home / "p.png").write_bytes(red.read_bytes())
    (here / "rows.csv").write_text("image\n~/p.png\n", encoding="utf-8")
    monkeypatch.setenv("HOME", str(home))

    of_file = comfywire("submit", "scale.json", "-p", "image=~/p.png", "--json")
    of_name = comfywire("submit", name, "-p", "image=~/p.png", "--json")
    of_rows = comfywire("submit", "scale.json", "--each", "rows.csv", "--json")

    assert [each.status for each in (of_file, of_name, of_rows)] == [0, 0, 0], (of_file, of_name, of_rows)
    assert [each.err for each in (of_file, of_name, of_rows)] == ["", "", ""]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param("~/nope.png", "nope.png' here: check the path", id="at-home"),
        pytest.param("no/such.png", "there is no file 'no/such.png' here: check the path", id="path"),
        pytest.param("folder", "'folder' is a folder: name one of its files", id="folder"),
    ],
)
def test_a_path_that_is_no_file_is_refused_before_anything_is_queued(comfywire, here, value, words):
    save(here / "scale.json", SCALE)
    (here / "folder").mkdir()
    (here / "rows.csv").write_text("scale\n2\n", encoding="utf-8")
    label = new_name()

    one = comfywire("submit", "scale.json", "-p", f"image={value}", "--label", f"for={label}")
    rows = comfywire(
        "submit", "scale.json", "-p", f"image={value}", "--each", "rows.csv", "--label", f"for={label}"
    )

    assert (one.status, rows.status) == (2, 2)
    assert "-p image: " in one.err
    assert words in one.err
    assert "row 1, image: " in rows.err
    assert words in rows.err
    assert comfywire("jobs", "--label", f"for={label}").out == ""


def test_a_name_that_is_no_file_here_is_taken_for_one_of_the_comfyui_with_a_warning(comfywire, here):
    save(here / "scale.json", SCALE)
    (here / "rows.csv").write_text("image\nnope.png\nnope.png\n", encoding="utf-8")
    warning = (
        "warning: image: there is no file 'nope.png' here: it is taken to be an upload of yours, or a file"
    )

    for arguments in (("-p", "image=nope.png"), ("--each", "rows.csv")):
        assert comfywire("submit", "scale.json", *arguments).err.count(warning) == 1
    for silent in ("mine.png", "pets/nope.png [input]"):
        assert "warning" not in comfywire("submit", "scale.json", "-p", f"image={silent}").err


def test_options_are_on_the_job(comfywire, draw):
    job_id = submitted(comfywire("submit", draw, "--label", "for=me", "--priority", "5", "--json"))

    job = json.loads(comfywire("jobs", job_id, "--json").out)

    assert (job["metadata"], job["priority"]) == ({"for": "me"}, 5)


def test_what_else_a_webhook_is_told_is_on_the_job(comfywire, draw, tmp_path):
    events = ("--webhook-event", "job.started", "--webhook-event", "job.progress")
    job_id = submitted(comfywire("submit", draw, "--webhook", "https://example.com/", *events, "--json"))
    (tmp_path / "rows.csv").write_text("text\na\n")

    assert json.loads(comfywire("jobs", job_id, "--json").out)["webhook_events"] == list(events[1::2])
    refused = comfywire("submit", draw, "--each", str(tmp_path / "rows.csv"), *events)
    assert (refused.status, "a batch tells of its end alone" in refused.err) == (2, True)


def test_what_the_service_refuses_is_one_line(comfywire, draw):
    finished = comfywire("submit", draw, "--webhook", "ftp://x")

    assert (finished.status, len(finished.err.splitlines())) == (2, 1)


def test_a_service_that_is_not_there_is_one_line(comfywire, draw, monkeypatch):
    monkeypatch.setenv("COMFYWIRE_SERVICE", "http://127.0.0.1:9")

    finished = comfywire("submit", draw)

    assert finished.status == 2
    assert finished.err.startswith("comfywire: no job service was reached at http://127.0.0.1:9")
    assert finished.err.endswith("name another with --service, or start one with `comfywire serve`\n")


def test_an_address_that_is_none_is_misuse(comfywire, draw):
    assert comfywire("submit", draw, "--service", "ftp://x").status == 2


def test_a_registered_workflow_is_run_by_its_name(comfywire, here, red):
    name = new_name()
    added = comfywire("workflows", "add", name, save(here / "scale.json", SCALE))

    finished = comfywire("submit", name, "-p", f"image={red}", "-p", "scale=3", "--out", here, "--json")

    assert added.out == f"{name} is registered in version 1; to set: image, scale\n"
    assert finished.status == 0, finished.err
    assert finished.result["job"]["workflow_name"] == name


@pytest.mark.parametrize(
    ("options", "alias"),
    [
        pytest.param([], "of-the-file", id="as-the-file-says"),
        pytest.param(["--alias", "of-the-option"], "of-the-option", id="the-option-outweighs-it"),
    ],
)
def test_a_workflow_has_the_aliases_that_its_parameters_file_gives_it(comfywire, here, options, alias):
    name = new_name()
    (here / "scale.params.toml").write_text(f'aliases = ["of-the-file-{name}"]\ndescription = "Scales."\n')
    options = [option.replace(alias, f"{alias}-{name}") for option in options]

    added = comfywire("workflows", "add", name, save(here / "scale.json", SCALE), *options, "--json")

    assert added.result["aliases"] == [f"{alias}-{name}"]
    assert added.result["description"] == "Scales."


def test_a_file_for_a_registered_workflow_that_is_not_here_is_named(comfywire, here):
    name = new_name()
    comfywire("workflows", "add", name, save(here / "scale.json", SCALE))

    finished = comfywire("submit", name, "-p", "image=nofile.png")

    assert finished.status == 2
    assert "-p image: there is no file 'nofile.png' here" in finished.err


def test_each_row_of_a_csv_is_a_job_and_its_paths_begin_at_the_csv(comfywire, here, red):
    name, folder = new_name(), here / "pictures"
    comfywire("workflows", "add", name, save(here / "scale.json", SCALE))
    folder.mkdir()
    (folder / "mine.png").write_bytes(red.read_bytes())
    (folder / "rows.csv").write_text("image,scale\nmine.png,2\nmine.png,\n", encoding="utf-8")

    out = here / "out"
    finished = comfywire("submit", name, "--each", folder / "rows.csv", "-p", "scale=3", "--out", out)

    assert finished.status == 0, finished.err
    assert finished.out.splitlines()[0].endswith(": 2 jobs")
    assert sorted(map(width, out.iterdir())) == [2 * width(red), 3 * width(red)]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        pytest.param("", "needs a first line", id="empty"),
        pytest.param("image,scale\n", "needs a first line", id="no-rows"),
        pytest.param("image,scale\na.png,2,3\n", "row 1 of", id="more-cells-than-names"),
        pytest.param("image,scale\nno*such.png,2\n", "row 1, image: there is no file", id="no-file"),
        pytest.param("image,scal\nhttps://example.com/x.png,2\n", "entry 0", id="no-parameter"),
    ],
)
def test_a_csv_that_cannot_be_a_batch_is_refused_in_one_sentence(comfywire, here, rows, words):
    name = new_name()
    comfywire("workflows", "add", name, save(here / "scale.json", SCALE))
    (here / "rows.csv").write_text(rows, encoding="utf-8")

    finished = comfywire("submit", name, "--each", here / "rows.csv")

    assert finished.status != 0
    assert words in finished.err
    assert "Traceback" not in finished.err


def test_a_file_for_a_registered_workflow_may_be_an_asset_or_base64(comfywire, here, red):
    name = new_name()
    comfywire("workflows", "add", name, save(here / "scale.json", SCALE))
    inline = base64.b64encode(red.read_bytes()).decode()
    made = comfywire("submit", name, "-p", f"image={inline}", "--wait", "--json")
    asset = made.result["job"]["outputs"][0]["id"]

    again = comfywire("submit", name, "-p", f"image={asset}", "--wait")

    assert (made.status, again.status) == (0, 0), (made.err, again.err)


def test_an_input_that_a_workflow_does_not_take_is_refused_in_words(comfywire, here):
    name = new_name()
    comfywire("workflows", "add", name, save(here / "scale.json", SCALE))

    finished = comfywire("submit", name, "-p", "scal=3")

    assert (finished.status, "did you mean 'scale'" in finished.err) == (2, True)


def test_a_workflow_of_no_name_is_refused_in_words(comfywire):
    finished = comfywire("submit", "nothing-of-that-name")

    assert (finished.status, "no workflow 'nothing-of-that-name'" in finished.err) == (2, True)


@pytest.mark.parametrize("what", ["missing.json", "no/such/missing.json"])
def test_a_file_that_is_missing_is_called_a_file(comfywire, what):
    finished = comfywire("submit", what)

    assert (finished.status, f"there is no file '{what}'" in finished.err) == (2, True)


def test_workflows_are_listed_shown_and_removed(comfywire, here):
    name = new_name()
    comfywire("workflows", "add", name, save(here / "scale.json", SCALE), "--description", "Larger.")

    listed = [line.split("\t") for line in comfywire("workflows", "list").out.splitlines()]
    shown = [line.split("\t")[:4] for line in comfywire("workflows", "show", name).out.splitlines()]
    schema = json.loads(comfywire("workflows", "show", name, "--schema").out)
    removed = comfywire("workflows", "remove", name)

    assert [name, "1", "image, scale", "Larger."] in listed
    assert shown == [["image", "image", "required", ""], ["scale", "float", "2.0", "0.01..8"]]
    assert schema["required"] == ["image"]
    assert (removed.out, comfywire("workflows", "show", name).status) == (f"{name} is removed\n", 2)


EDITORS: dict[str, Any] = {
    "nodes": [
        {"id": 1, "type": "EmptyImage", "mode": 0, "widgets_values": [16, 8, 1, 9],
         "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [1]}]},
        {"id": 2, "type": "SaveImage", "mode": 0, "widgets_values": ["drawn"],
         "inputs": [{"name": "images", "type": "IMAGE", "link": 1}]},
    ],
    "links": [[1, 1, 0, 2, 0, "IMAGE"]],
    "version": 0.4,
    "extra": {"linearData": {"inputs": [[1, "height"], [1, "width"]], "outputs": [2]}},
}  # fmt: skip
LONGER = {**EDITORS["nodes"][0], "widgets_values": [16, 8, 1, 9, 7]}
DOUBTFUL = {**EDITORS, "nodes": [LONGER, EDITORS["nodes"][1]]}
DOUBTS = "comfywire: warning: node 1 (EmptyImage): the file has 5 values for its 4 widgets"
PACK = """
from comfywire.workflow import Pack

PACK = Pack("halves", nodes={"EmptyImage": lambda node: {"width": node.values["width"] // 2}})
"""


def test_doubts_about_a_submitted_file_are_printed_and_refused_by_strict(comfywire, here):
    path = save(here / "doubtful.json", DOUBTFUL)

    told, refused = comfywire("submit", path, "--json"), comfywire("submit", path, "--strict")

    assert (told.status, DOUBTS in told.err) == (0, True)
    assert (refused.status, "the file has 5 values" in refused.err) == (1, True)


def test_rows_of_a_batch_go_by_the_names_that_the_author_chose(comfywire, here):
    chosen = {"linearData": {"inputs": [[1, "width"], [1, "color"]], "outputs": [2]}}
    path = save(here / "app.json", {**EDITORS, "extra": chosen})
    (here / "rows.csv").write_text("width,color\n24,255\n32,0\n", encoding="utf-8")
    (here / "wrong.csv").write_text("width,height\n24,8\n", encoding="utf-8")

    finished = comfywire("submit", path, "--each", here / "rows.csv", "--out", here / "out")
    refused = comfywire("submit", path, "--each", here / "wrong.csv")

    assert finished.status == 0, finished.err
    assert sorted(map(width, (here / "out").iterdir())) == [24, 32]
    assert refused.status == 2
    assert "row 1: the workflow has no parameter 'height'" in refused.err


def test_a_pack_that_is_named_has_its_say_in_what_is_submitted(comfywire, here):
    (here / "halves.py").write_text(PACK)

    path = save(here / "draw.json", EDITORS)

    finished = comfywire("submit", path, "--pack", here / "halves.py", "--out", here)

    assert finished.status == 0, finished.err
    assert [width(path) for path in here.glob("*.png")] == [8]


def test_doubts_about_a_registered_file_are_printed(comfywire, here):
    added = comfywire("workflows", "add", new_name(), save(here / "doubtful.json", DOUBTFUL))

    assert (added.status, DOUBTS in added.err) == (0, True)


def test_the_author_s_inputs_are_registered_in_the_author_s_order(comfywire, here):
    added = comfywire("workflows", "add", new_name(), save(here / "draw.json", EDITORS), "--json")

    assert [*added.result["parameters"]] == ["height", "width"]
    assert added.result["outputs"] == {"save_image": ["2"]}


def test_parameters_beside_the_file_are_registered(comfywire, here):
    path = save(here / "scale.json", SCALE)
    (here / "scale.params.toml").write_text('[parameters.by]\ntype = "float"\ninputs = ["2.scale_by"]\n')

    finished = comfywire("workflows", "add", new_name(), path, "--json")

    assert list(finished.result["parameters"]) == ["by"]


def test_a_file_must_be_given_with_parameters_that_inspect_wrote(comfywire, here):
    path, name = save(here / "scale.json", SCALE), new_name()
    assert comfywire("inspect", path, "--offline", "--write").status == 0
    added = comfywire("workflows", "add", name, path)

    finished = comfywire("submit", name)

    assert added.err == ""
    assert (finished.status, "'image'" in finished.err, "required" in finished.err) == (2, True, True)


def test_a_default_for_a_file_is_taken_with_a_warning(comfywire, here):
    path, name = save(here / "scale.json", SCALE), new_name()
    described = '[parameters.image]\ntype = "image"\ninputs = ["1.image"]\ndefault = "mine.png"\n'
    (here / "scale.params.toml").write_text(described)

    added = comfywire("workflows", "add", name, path)

    (warning,) = added.err.splitlines()
    assert "image need not be given, and is then 'mine.png' on the ComfyUI" in warning
    assert comfywire("submit", name).status == 0


def test_a_version_of_a_file_makes_no_sense(comfywire, draw):
    assert comfywire("submit", draw, "--version", "1").status == 2


def test_jobs_are_found_by_label_and_state(comfywire, draw, here):
    label = f"run={uuid.uuid4()}"
    good = submitted(comfywire("submit", draw, "--label", label, "--wait", "--json"))
    bad = save(here / "bad.json", FAILING)
    assert comfywire("submit", bad, "--label", label, "--wait").status == 1

    found = comfywire("jobs", "--label", label, "--state", "succeeded").out.splitlines()
    everything = comfywire("jobs", "--label", label, "--json").events

    assert [line.split("\t")[:2] for line in found] == [[good, "succeeded"]]
    assert [job["status"] for job in everything] == ["failed", "succeeded"]


def test_no_more_jobs_are_listed_than_wanted(comfywire, draw):
    label = f"run={uuid.uuid4()}"
    for _ in range(3):
        comfywire("submit", draw, "--label", label)

    assert len(comfywire("jobs", "--label", label, "--max", "2").out.splitlines()) == 2


def test_one_job_is_shown_whole(comfywire, draw):
    job_id = submitted(comfywire("submit", draw, "--wait", "--json"))

    shown = dict(line.split("\t") for line in comfywire("jobs", job_id).out.splitlines())

    assert (shown["id"], shown["status"]) == (job_id, "succeeded")
    assert "output" in shown


def test_one_job_is_shown_with_how_it_failed_its_labels_and_its_retry_policy(comfywire, here):
    bad = save(here / "bad.json", FAILING)
    job_id = comfywire("submit", bad, "--label", "for=me", "--wait", "--json").result["prompt_id"]

    lines = [line.split("\t") for line in comfywire("jobs", job_id).out.splitlines()]

    shown = dict(lines)
    assert (shown["metadata.for"], shown["error.code"]) == ("me", "node_execution_error")
    assert shown["error.message"].startswith("RuntimeError: Intentional")
    assert {"metrics.queue_ms", "retry.max_attempts"} <= shown.keys()
    assert [name for name, _ in lines].count("error.traceback") > 1


def test_no_jobs_say_so_beside_the_output(comfywire):
    finished = comfywire("jobs", "--label", "nobody=has-this")

    assert (finished.out, finished.err) == ("", "no such jobs\n")


def test_a_failed_job_is_retried_under_its_id(comfywire, here):
    bad = save(here / "bad.json", FAILING)
    job_id = comfywire("submit", bad, "--wait", "--json").result["prompt_id"]

    finished = comfywire("retry", job_id)

    assert (finished.status, finished.out) == (0, f"job {job_id} is queued again\n")
    assert comfywire("wait", job_id).status == 1


def test_what_ended_well_is_not_retried(comfywire, draw):
    job_id = submitted(comfywire("submit", draw, "--wait", "--json"))

    finished = comfywire("retry", job_id)

    why = "only what failed, was canceled or expired can be retried"
    assert (finished.status, finished.out) == (1, f"job {job_id} was left alone: it is succeeded: {why}\n")


def test_cancel_ends_a_job_of_the_service(comfywire, here):
    job_id = submitted(comfywire("submit", save(here / "slow.json", sleeper(60)), "--json"))

    finished = comfywire("cancel", job_id)
    waited = comfywire("wait", job_id, "--json")

    assert (finished.status, finished.out.startswith(f"job {job_id} was ")) == (0, True)
    assert (waited.status, waited.result["status"]) == (130, "interrupted")


def test_cancel_of_a_comfyui_names_the_command_that_ends_a_job_of_the_service(
    comfywire, here, server, service
):
    job_id = submitted(comfywire("submit", save(here / "slow.json", sleeper(60)), "--json"))

    refused = comfywire("cancel", job_id, "--server", server.url)
    (command,) = re.findall(r"`comfywire (cancel --service .+)`", refused.out)
    finished = comfywire(*command.replace("http://127.0.0.1:8190", service).split())

    assert (refused.status, finished.status, finished.out.startswith(f"job {job_id} was ")) == (1, 0, True)


def test_cancel_where_no_comfyui_is_names_the_service_too(comfywire, monkeypatch):
    monkeypatch.delenv("COMFYWIRE_SERVICE")

    finished = comfywire("cancel", str(uuid.uuid4()), "--server", "http://127.0.0.1:9")

    assert finished.status == 2
    assert finished.err.endswith(
        "is it running? Name another with --server, or a job service with --service http://127.0.0.1:8190\n"
    )


def test_a_key_that_does_not_open_is_not_asked_for_again(comfywire):
    finished = comfywire("jobs", "--key", "cw_mistyped")

    assert (finished.status, finished.err.endswith("check it, or ask for another\n")) == (2, True)


def test_a_comfyui_that_is_taken_for_a_service_is_asked_about(comfywire, server):
    finished = comfywire("jobs", "--service", server.url)

    assert (finished.status, "is that a job service?" in finished.err) == (2, True)


def test_cancel_asks_the_comfyui_that_is_named(comfywire, server):
    unknown = str(uuid.uuid4())

    finished = comfywire("cancel", unknown, "--server", server.url)

    assert finished.out.startswith(f"prompt {unknown} is not on {server.url}")


def test_wait_follows_several_jobs(comfywire, draw):
    ids = [submitted(comfywire("submit", draw, "--json")) for _ in range(2)]

    finished = comfywire("wait", *ids, "--json")

    assert {result["prompt_id"] for result in finished.of("result")} == set(ids)


def test_wait_says_that_a_job_is_not_there(comfywire):
    unknown = str(uuid.uuid4())

    finished = comfywire("wait", unknown)

    assert (finished.status, unknown in finished.err) == (2, True)


def test_ctrl_c_leaves_the_job_to_the_service(comfywire, start, here, service, monkeypatch):
    running = start("submit", save(here / "slow.json", sleeper(60)), "--wait", "--json")
    job_id = json.loads(running.line())["prompt_id"]
    while json.loads(running.line()).get("status") != "running":
        pass

    running.signal()
    finished = running.end()

    wait, cancel = re.findall(r"`comfywire (.+?)`", finished.err)
    monkeypatch.delenv("COMFYWIRE_SERVICE")
    canceled = comfywire(*cancel.split())
    waited = comfywire(*wait.split(), "--json")
    assert (finished.status, canceled.status) == (130, 0)
    assert (waited.result["prompt_id"], waited.result["status"]) == (job_id, "interrupted")


def test_top_shows_servers_queue_and_jobs_once_into_a_pipe(comfywire, here, service):
    while {server["state"] for server in httpx.get(f"{service}/api/v2/servers").json()["servers"]} != {"up"}:
        pass  # the service has only just been started
    job_id = submitted(
        comfywire("submit", save(here / "slow.json", sleeper(60)), "--label", "for=top", "--json")
    )
    while httpx.get(f"{service}/api/v2/jobs/{job_id}").json()["status"] != "running":
        pass  # one that begins between the two lists that are read is in neither

    lines = [line.split("\t") for line in comfywire("top").out.splitlines()]
    comfywire("cancel", job_id)

    assert [line[2] for line in lines if line[0] == "server"] == ["up", "up"]
    assert [line[1] for line in lines if "for=top" in line] == [job_id]
    assert lines[-1][0] == "queue"


def test_top_speaks_json(comfywire):
    snapshot = json.loads(comfywire("top", "--json").out)

    assert list(snapshot) == ["servers", "running", "queued", "queue"]
    assert len(snapshot["servers"]) == 2


def test_top_draws_bars_on_a_terminal(service, here, tmp_path):
    """In a terminal of its own: it draws until it is stopped."""
    import pty

    steps = save(here / "steps.json", text_to_image(steps=200))
    command = [sys.executable, "-m", "comfywire"]
    job = subprocess.run([*command, "submit", steps, "--json"], capture_output=True, text=True, check=True)
    job_id = json.loads(job.stdout)["prompt_id"]
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "140", "LINES": "30"}
    process = subprocess.Popen(
        [*command, "top", "--every", "0.2"], stdout=slave, stderr=slave, env=environment
    )
    os.close(slave)
    drawn = b""

    while not (job_id.encode() in drawn and "━".encode() in drawn and b"127.0.0.1" in drawn):
        drawn += os.read(master, 65536)
    process.send_signal(signal.SIGINT)
    while process.poll() is None:
        try:
            os.read(master, 65536)
        except OSError:
            process.wait()
    os.close(master)
    subprocess.run([*command, "cancel", job_id], check=True, capture_output=True)

    assert process.returncode == 130
