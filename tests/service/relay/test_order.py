"""What a socket is told of a job, and when: as ComfyUI tells it, in its order."""

import json
import struct
from pathlib import Path

import pytest
from tests.client.graphs import image, over_socket, text_to_image
from tests.service.relay.streams import FLAGS, PASSING, stream

TRACES = Path(__file__).parents[2] / "transcripts"
APART = pytest.mark.parametrize("apart", [False, True], ids=["one-process", "two-processes"])


def traced(version: str, scenario: str, *but: str) -> list[str]:
    """The types of what a real ComfyUI told after the greeting, up to the first end."""
    kinds = []
    for line in (TRACES / version / f"{scenario}.jsonl").read_text().splitlines():
        step = json.loads(line)
        if step["kind"] == "ws_binary":
            kinds.append("binary")
        elif step["kind"] == "ws_text":
            message = json.loads(step["data"])
            if "sid" in message["data"] or message["type"] in but:
                continue
            kinds.append(message["type"])
            if message["type"] == "executing" and message["data"]["node"] is None:
                break
    return [kind for kind in kinds if kind not in but]


@APART
async def test_a_prompt_is_told_as_comfyui_tells_it(faces, apart):
    async with faces(apart=apart) as face, stream(face.url, "me") as mine:
        job = await face.queue(image(), "me")
        await mine.until_over(str(job.id))

    assert mine.kinds(*PASSING, "status") == traced("0.3.64", "basic_success", *PASSING, "status")
    assert mine.kinds()[-3:] == ["execution_success", "status", "executing"]
    assert {told["prompt_id"] for told in mine.of("executing")} == {str(job.id)}


@APART
async def test_files_are_told_with_the_job_as_their_folder(faces, apart):
    async with faces(apart=apart) as face, stream(face.url, "me") as mine:
        job = await face.queue(image(), "me")
        await mine.until_over(str(job.id))

    (executed,) = mine.of("executed")
    (file,) = executed["output"]["images"]
    assert (executed["node"], executed["display_node"], executed["prompt_id"]) == ("2", "2", str(job.id))
    assert (file["subfolder"], file["type"]) == (str(job.id), "output")
    assert "cw0" not in json.dumps([told for kind, told in mine.told if kind != "binary"])


@APART
async def test_the_end_is_in_the_store_when_it_is_told(faces, apart):
    async with faces(apart=apart) as face, stream(face.url, "me") as mine:
        job = await face.queue(image(), "me")
        await mine.until(lambda kind, _: kind == "execution_success")
        now = await face.core.store.get(job.id)

        assert now.is_over
        assert len(await face.core.store.outputs(job.id)) == 1


async def test_nodes_that_run_are_named_one_after_the_other(faces):
    async with faces() as face, stream(face.url, "me") as mine:
        job = await face.queue(text_to_image(), "me")
        await mine.until_over(str(job.id))

    running = [told["node"] for told in mine.of("executing")]
    assert running[-2:] == ["9", None]
    assert set(running[:-1]) == set(text_to_image())
    assert mine.of("progress_state")[-1]["nodes"]["9"]["state"] == "finished"


@pytest.mark.parametrize(("flags", "kind"), [(None, 1), (FLAGS, 4)], ids=["plain", "with-metadata"])
@pytest.mark.parametrize("profile", ["0.3.64", "0.33.0"])
async def test_previews_come_as_the_socket_asked_for_them(faces, profile, flags, kind):
    async with faces(profile=profile) as face, stream(face.url, "me", flags=flags) as mine:
        if flags is not None:
            await mine.until(lambda word, _: word == "feature_flags")
        held = face.servers[0].faults.nodes.hold(node_id="3")
        job = await face.queue(text_to_image(steps=2), "me")
        await mine.until(lambda word, told: word == "executing" and told["node"] == "3")
        held.release()  # whoever comes late is told what follows: now all of the previews do
        await mine.until_over(str(job.id))

    frames = mine.of("binary")
    assert frames
    assert {struct.unpack_from(">I", frame)[0] for frame in frames} == {kind}
    if kind == 1:
        assert {frame[4:10] for frame in frames} == {b"\0\0\0\x01\xff\xd8"}
    else:
        (length,) = struct.unpack_from(">I", frames[0], 4)
        metadata = json.loads(frames[0][8 : 8 + length])
        assert (metadata["prompt_id"], metadata["node_id"]) == (str(job.id), "3")
        assert frames[0][8 + length :].startswith(b"\xff\xd8")


@APART
async def test_what_is_saved_over_the_socket_reaches_it(faces, apart):
    async with faces(apart=apart) as face, stream(face.url, "me") as mine:
        job = await face.queue(over_socket(batch=3), "me")
        await mine.until_over(str(job.id))

    pictures = [frame for frame in mine.of("binary") if frame[8:12] == b"\x89PNG"]
    assert len(pictures) == 3


@APART
async def test_cached_output_nodes_are_told_too(faces, apart):
    texts = {"2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}}
    texts["1"] = {"class_type": "PrimitiveInt", "inputs": {"value": 5}}
    async with faces(apart=apart) as face, stream(face.url, "me") as mine:
        for _ in range(2):
            mine.told.clear()
            job = await face.queue(texts, "me")
            await mine.until_over(str(job.id))

    assert mine.of("execution_cached")[0]["nodes"]
    assert [told["output"]["text"] for told in mine.of("executed")] == [["5"]]


@APART
async def test_an_error_is_told_with_all_that_comfyui_says_of_it(faces, apart):
    async with faces(apart=apart) as face, stream(face.url, "me") as mine:
        face.servers[0].faults.nodes.fail("no memory", node_id="2")
        job = await face.queue(image(), "me")
        await mine.until_over(str(job.id))

    (error,) = mine.of("execution_error")
    assert mine.kinds()[-3:] == ["execution_error", "status", "executing"]
    assert (error["prompt_id"], error["node_id"], error["node_type"]) == (str(job.id), "2", "SaveImage")
    assert (error["exception_message"].strip(), error["exception_type"]) == ("no memory", "RuntimeError")
    assert error["executed"] == ["1"]
    assert error["traceback"]
    assert set(error) >= {"current_inputs", "current_outputs", "timestamp"}


@APART
async def test_what_is_canceled_while_it_runs_is_interrupted(faces, apart):
    async with faces(apart=apart) as face, stream(face.url, "me") as mine:
        face.servers[0].faults.nodes.hold(node_id="2")
        job = await face.queue(image(), "me")
        await mine.until(lambda kind, told: kind == "executing" and told["node"] == "2")
        await face.core.store.cancel(job.id)
        await mine.until_over(str(job.id))

    assert mine.kinds()[-3:] == ["execution_interrupted", "status", "executing"]
    assert mine.of("execution_interrupted")[0]["node_id"] == "2"


async def test_of_a_prompt_that_never_ran_only_the_queue_is_told(faces):
    async with faces(works=False) as face, stream(face.url, "me") as mine:
        job = await face.queue(image(), "me")
        await mine.until(lambda kind, told: told["status"]["exec_info"]["queue_remaining"] == 1)
        await face.core.store.cancel(job.id)
        await mine.until(lambda kind, told: told["status"]["exec_info"]["queue_remaining"] == 0)

    assert set(mine.kinds()) == {"status"}


async def test_what_fails_before_it_ran_ends_with_an_error(faces):
    async with faces() as face, stream(face.url, "me") as mine:
        broken = {"2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}}}
        job = await face.queue(broken, "me")
        await mine.until_over(str(job.id))

    assert mine.kinds("status") == [
        "execution_start",
        "execution_cached",
        "execution_error",
        "executing",
    ]
    assert mine.of("execution_error")[0]["exception_type"] == "invalid_workflow"
