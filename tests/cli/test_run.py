from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from PIL import Image
from tests.cli.conftest import save, submitted
from tests.server.wire import image, sleeper, text_to_image

from comfywire.cli.run.reports import _count


def names(folder: Path | str = ".") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir() if path.suffix != ".json")


def queued(server) -> dict:
    """The graph that the server was sent last."""
    history = server.call(server.life.queue.history_page, None, -1)
    return list(history.values())[-1]["prompt"][2]


def test_results_are_saved_here_under_the_servers_names(comfywire, server, picture):
    comfywire("run", picture)

    assert names() == ["test_00001_.png"]


def test_a_file_that_is_there_is_not_replaced(comfywire, server, picture):
    Path("test_00001_.png").write_text("mine", encoding="utf-8")

    comfywire("run", picture)

    assert Path("test_00001_.png").read_text(encoding="utf-8") == "mine"
    assert names() == ["test_00001_ (1).png", "test_00001_.png"]


def test_out_is_made_and_keeps_the_servers_subfolders(comfywire, server, here):
    prompt = image()
    prompt["2"]["inputs"]["filename_prefix"] = "deep/er/test"

    comfywire("run", save("deep.json", prompt), "--out", "new/folder")

    assert names("new/folder/deep/er") == ["test_00001_.png"]


def test_no_save_leaves_results_on_the_server(comfywire, server, picture):
    finished = comfywire("run", picture, "--no-save")

    assert (finished.status, names()) == (0, [])


def test_a_text_is_printed_and_saved(comfywire, server, here):
    prompt = {"1": {"class_type": "PreviewAny", "inputs": {"source": "hello"}}}

    finished = comfywire("run", save("text.json", prompt))

    assert "PreviewAny (node 1): hello" in finished.out
    assert Path("node1_text.txt").read_text(encoding="utf-8") == "hello"


@pytest.mark.parametrize(
    ("setting", "place", "value"),
    [
        pytest.param("3.seed=42", ("3", "seed"), 42, id="by-id"),
        pytest.param("Positive.text=a = b", ("6", "text"), "a = b", id="by-title"),
        pytest.param("KSampler.cfg=7.5", ("3", "cfg"), 7.5, id="by-class-type"),
    ],
)
def test_set_changes_an_input(comfywire, server, steps, *, setting, place, value):
    finished = comfywire("run", steps, "--set", setting)

    assert finished.status == 0, finished.err
    assert queued(server)[place[0]]["inputs"][place[1]] == value


@pytest.mark.parametrize("option", ["--set", "-p"])
def test_a_seed_is_drawn_by_its_node_and_its_name(comfywire, server, here, option):
    one = save("steps.json", text_to_image())

    for _ in range(2):
        assert comfywire("run", one, option, "KSampler.seed=random", "--no-save").status == 0

    seeds = {run.prompt["3"]["inputs"]["seed"] for run in server.log}
    assert len(seeds) == 2
    assert all(isinstance(seed, int) and 0 <= seed < 2**64 for seed in seeds)


def test_a_path_that_is_mistyped_is_told_with_the_nearest_or_the_next_step(comfywire, server, here):
    Image.new("RGB", (8, 8)).save(server.folder / "input/portrait.png")
    edit = save(
        "edit.json", {**image(), "1": {"class_type": "LoadImage", "inputs": {"image": "missing.png"}}}
    )

    near = comfywire("run", edit, "--set", "LoadImage.image=photos/portrat.png")
    far = comfywire("run", edit, "--set", "LoadImage.image=photos/house.jpg")

    assert (near.status, far.status, server.log) == (2, 2, [])
    nowhere = "is no file here, and the server has none of that name"
    assert f"'photos/portrat.png' {nowhere}; did you mean 'portrait.png'?" in near.err
    assert f"input 'LoadImage.image': 'photos/house.jpg' {nowhere}; check the path" in far.err


def test_the_seed_that_was_drawn_is_told_and_makes_the_same_again(comfywire, server, here):
    workflow = save("w.json", text_to_image(steps=1))

    finished = comfywire("run", workflow, "-p", "seed=random", "--no-save")
    seed = queued(server)["3"]["inputs"]["seed"]
    again = comfywire("run", workflow, "-p", f"seed={seed}", "--no-save", "--json")

    assert finished.out.splitlines()[-1] == f"drawn: -p seed={seed}"
    assert again.result["inputs"]["seed"] == seed
    assert server.log[0].prompt == server.log[1].prompt


def test_the_seed_of_a_run_that_failed_is_told_too(comfywire, server, here):
    server.faults.nodes.fail(node_id="3")

    failed = comfywire("run", save("w.json", text_to_image()), "--set", "KSampler.seed=random", "--json")

    assert failed.result["status"] == "failed"
    assert failed.result["inputs"]["KSampler.seed"] == queued(server)["3"]["inputs"]["seed"]


def test_set_knows_inputs_that_only_the_server_knows(comfywire, server, here):
    prompt = sleeper(0.0)
    del prompt["5"]["inputs"]["seconds"]

    finished = comfywire("run", save("own.json", prompt), "--set", "TestSleep.seconds=0.01")

    assert finished.status == 0, finished.err
    assert queued(server)["5"]["inputs"]["seconds"] == 0.01


def test_a_class_type_that_stands_twice_is_refused_with_both_places(comfywire, server, steps):
    finished = comfywire("run", steps, "--set", "CLIPTextEncode.text=x")

    assert (finished.status, "6" in finished.err, "Negative" in finished.err) == (2, True, True)
    assert server.log == []


def test_a_file_is_uploaded_where_the_input_takes_uploads(comfywire, server, here):
    Image.new("RGB", (4, 4), "red").save("photo.png")
    prompt = image()
    prompt["1"] = {"class_type": "LoadImage", "inputs": {"image": "missing.png"}}

    finished = comfywire("run", save("edit.json", prompt), "--set", "LoadImage.image=photo.png")

    assert finished.status == 0, finished.err
    assert Image.open("test_00001_.png").getpixel((0, 0)) == (255, 0, 0)


def test_a_file_that_was_just_uploaded_is_not_missed_by_validate(comfywire, server, here):
    Image.new("RGB", (4, 4), "red").save("photo.png")
    prompt = image()
    prompt["1"] = {"class_type": "LoadImage", "inputs": {"image": "missing.png"}}
    arguments = ["run", save("edit.json", prompt), "--set", "LoadImage.image=photo.png", "--validate"]

    assert comfywire(*arguments).status == 0


def test_a_files_name_stays_a_text_where_the_input_takes_none(comfywire, server, steps):
    Path("photo.png").write_bytes(b"")

    comfywire("run", steps, "--set", "Positive.text=photo.png")

    assert queued(server)["6"]["inputs"]["text"] == "photo.png"
    assert "POST /upload/image" not in server.requests


def test_a_workflow_is_read_from_a_pipe(start, server, picture):
    with Path(picture).open(encoding="utf-8") as file:
        running = start("run", "-", stdin=file)

    assert running.end().status == 0
    assert names() == ["test_00001_.png"]


def test_a_picture_that_comfyui_saved_runs_again(comfywire, server, picture):
    comfywire("run", picture)

    finished = comfywire("run", "test_00001_.png", "--set", "EmptyImage.color=255", "--out", "again")

    assert finished.status == 0, finished.err
    assert Image.open("again/test_00002_.png").getpixel((0, 0)) == (0, 0, 255)


def test_plain_lines_name_nodes_by_title_and_leave_steps_out(comfywire, server, steps):
    finished = comfywire("run", steps)

    lines = finished.out.splitlines()
    assert lines[0].endswith(": 7 nodes")
    assert [line for line in lines if "KSampler" in line] == [line for line in lines if "(node 3)" in line]
    assert len([line for line in lines if "(node 3)" in line]) == 1
    assert any("Positive (node 6)" in line for line in lines)
    assert any(line.endswith("SaveImage (node 9): 1 image") for line in lines)
    assert lines[-2:] == ["saved test_00001_.png", lines[-1]]
    assert lines[-1].startswith("done in ")


@pytest.mark.parametrize(
    ("output", "words"),
    [
        pytest.param({"text": list("a quiet sea")}, "1 text", id="letter-by-letter"),
        pytest.param({"text": ["a quiet sea", "b"]}, "2 texts", id="two-texts"),
        pytest.param({"images": [{}, {}], "animated": [False]}, "2 images", id="pictures"),
        pytest.param({"latents": [{}]}, "1 latent", id="any-key"),
        pytest.param({"result": list("props/a.glb")}, "1 3D model", id="a-name-letter-by-letter"),
        pytest.param({"result": ["props/a.glb", None, []]}, "1 3D model", id="a-model-without-a-camera"),
        pytest.param({"result": ["a.obj", {"x": 1}, None]}, "1 3D model, 1 value", id="a-model-and-a-camera"),
        pytest.param(
            {"3d": [{"filename": "a.splat"}], "result": ["a.splat", None, []]}, "1 3D model", id="told-twice"
        ),
        pytest.param(
            {"result": ["a.glb", None, "temp/bg_1.png"]},
            "1 3D model, 1 image",
            id="a-model-and-what-is-behind",
        ),
        pytest.param({"result": [7, 8]}, "2 values", id="no-model"),
        pytest.param({"text": []}, "finished", id="nothing"),
    ],
)
def test_what_a_node_shows_is_counted_as_it_is_meant(output, words):
    assert _count(output) == words


def test_cached_nodes_are_counted(comfywire, server, picture):
    comfywire("run", picture)

    finished = comfywire("run", picture)

    assert "2 of 2 nodes are cached" in finished.out


def test_what_was_finished_before_a_failure_is_saved_and_said(comfywire, server, half):
    finished = comfywire("run", half)

    assert finished.status == 1
    assert names() == ["test_00001_.png"]
    assert "1 file that it had finished before was saved" in finished.out


def test_a_job_that_takes_too_long_is_cancelled(comfywire, server, slow):
    finished = comfywire("run", slow, "--timeout", "0.5")

    assert (finished.status, "did not end within 0.5 seconds" in finished.err) == (1, True)
    assert {run.how for run in server.log} <= {"interrupted"}  # none, where it had not begun
    assert json.loads(comfywire("queue", "--json").out) == {"running": [], "pending": []}


def test_the_place_in_the_queue_is_told(start, server, picture, slow):
    server.wait(server.until_running(submitted(server, slow)), timeout=60)
    behind = start("run", slow)
    behind.line()

    assert behind.line() == "waiting: 1 ahead\n"


def test_a_prompt_that_the_server_lost_is_submitted_again(start, server, steps):
    rule = server.faults.nodes.hold(class_type="KSampler")
    running = start("run", steps, "--json", "--resubmit", "1")
    prompt_id = json.loads(running.line())["prompt_id"]
    server.wait(server.until_executing(prompt_id, "3"), timeout=60)
    rule.remove()

    server.wait(server.faults.life.restart(), timeout=60)
    finished = running.end()

    assert (finished.status, finished.result["status"]) == (0, "success")
    assert [run.how for run in server.runs(prompt_id)] == ["stopped", "success"]
    assert len(finished.of("note")) == 1


def test_a_result_that_cannot_be_fetched_fails_the_run_and_keeps_the_rest(comfywire, server, here):
    prompt = image()
    prompt["3"] = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "other"}}
    server.faults.replies.fail("GET /view", 404)

    finished = comfywire("run", save("two.json", prompt))

    assert (finished.status, "no longer has 'test_00001_.png'" in finished.err) == (1, True)
    assert names() == ["other_00001_.png"]


DROPPED = {
    "refused-input": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}},
    "link-to-nowhere": {"class_type": "PreviewImage", "inputs": {"images": ["77", 0]}},
    "value-out-of-range": {"class_type": "SaveAnimatedWEBP", "inputs": {"images": ["1", 0], "fps": -5}},
}


@pytest.mark.parametrize("dropped", DROPPED.values(), ids=DROPPED)
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["plain", "json"])
def test_a_run_whose_output_the_server_drops_is_no_success(comfywire, server, here, dropped, form):
    finished = comfywire("run", save("dropped.json", {**image(), "10": dropped}), *form)

    assert finished.status == 1
    assert f"output node 10 ({dropped['class_type']}) was dropped" in finished.err
    assert "did not make all that was asked for" in finished.err
    assert names() == ["test_00001_.png"]
    if form:
        assert (finished.result["status"], finished.result["saved"]) == ("failed", ["test_00001_.png"])
        assert finished.result["error"]["type"] == "OutputsMissing"


def test_an_extra_that_is_missing_is_named_with_the_command_that_installs_it(
    comfywire, server, picture, monkeypatch
):
    monkeypatch.setitem(sys.modules, "textual_image.renderable", None)

    finished = comfywire("run", picture, "--show")

    assert (finished.status, 'pip install ".[show]"' in finished.err) == (2, True)
    assert server.log == []


def test_a_run_that_never_began_is_told_by_its_error_alone(comfywire):
    ended = comfywire("run", "nothere.json")

    assert (ended.status, ended.out) == (2, "")
    assert "there is no file 'nothere.json'" in ended.err
