"""One ComfyUI behind several keys: what a key made on its disk, another cannot read, and nobody sees how."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.service.rig import Rig
from tests.service.serving import asking

from comfywire.server import Server
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.output_folders import new_output_folder, without_folders
from comfywire.service.jobs.states import JobState
from comfywire.workflow import Workflow

from .conftest import Service, error_of
from .test_api_by_name import color_of, loading, run, running


def saving(prefix: str = "ComfyUI", color: int = 0x123456) -> dict[str, Any]:
    empty = {"width": 16, "height": 8, "batch_size": 1, "color": color}
    return {
        "1": {"class_type": "EmptyImage", "inputs": empty},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
    }


def saved(server: Server) -> list[Path]:
    """The pictures in the server's output folder, as paths below it."""
    folder = server.folder / "output"
    return sorted(path.relative_to(folder) for path in folder.rglob("*.png"))


@pytest.mark.parametrize(
    "name", ["{name} [output]", "{job}/{name} [output]", "{path} [output]", "../output/{path}"]
)
async def test_a_key_cannot_read_what_another_made(
    service: Service, client: httpx.AsyncClient, server: Server, name: str
):
    async with running(service, server), service.client(name="another") as other:
        made = await run(client, saving())
        (path,) = saved(server)
        text = name.format(name=made["outputs"][0]["name"], job=made["id"], path=path.as_posix())
        answer = await other.post("/api/v2/jobs", json={"workflow": loading(text)})

    assert error_of(answer) == (422, "foreign_file")
    assert answer.json()["error"]["details"] == {"node_id": "1", "input": "image"}


async def test_ones_own_output_is_read_by_the_id_of_its_job(
    service: Service, client: httpx.AsyncClient, server: Server
):
    async with running(service, server):
        made = await run(client, saving())
        own = await run(client, loading(f"{made['id']}/ComfyUI_00001_.png [output]"))

    assert await color_of(client, own) == (0x12, 0x34, 0x56)


async def test_what_a_job_saves_is_in_a_folder_that_shows_nowhere(
    service: Service, client: httpx.AsyncClient, server: Server, tmp_path: Path
):
    prompt = saving("pets/%width%_cat")
    async with running(service, server):
        jobs = [await run(client, prompt) for _ in range(2)]

    files = saved(server)
    folders = {path.parts[0] for path in files}
    assert len(folders) == 2
    assert [path.parts[1:] for path in files] == [("pets", "16_cat_00001_.png")] * 2
    for job in jobs:
        (output,) = job["outputs"]
        asset = (await client.get(f"/api/v2/assets/{output['id']}")).json()
        content = await client.get(f"/api/v2/assets/{output['id']}/content")
        shown = (await client.get(f"/api/v2/jobs/{job['id']}/workflow")).json()
        (tmp_path / "x.png").write_bytes(content.content)
        assert (output["name"], asset["file_path"]) == ("16_cat_00001_.png", "pets/16_cat_00001_.png")
        assert shown["workflow"] == Workflow.load(tmp_path / "x.png").prompt == prompt
        assert not [folder for folder in folders if folder in f"{job}{asset}{content.headers}"]


async def test_a_preview_that_was_cached_tells_of_no_earlier_jobs_folder(
    service: Service, client: httpx.AsyncClient, server: Server, tmp_path: Path
):
    prompt = {**saving(), "3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}
    async with running(service, server):
        for _ in range(2):
            job = await run(client, prompt)

    (preview,) = (output for output in job["outputs"] if output["node_id"] == "3")
    content = await client.get(f"/api/v2/assets/{preview['id']}/content")
    (tmp_path / "x.png").write_bytes(content.content)
    assert Workflow.load(tmp_path / "x.png").prompt == prompt


async def test_without_keys_files_are_where_the_caller_wants_them(service_with: Any, server: Server):
    async with (
        service_with(keys_required=False) as service,
        asking(base_url=service.url) as client,
        running(service, server),
    ):
        made = await run(client, saving())
        read = await run(client, loading("ComfyUI_00001_.png [output]"))

    assert Path("ComfyUI_00001_.png") in saved(server)
    assert (made["status"], read["status"]) == ("succeeded", "succeeded")


async def test_what_a_comfyui_says_is_kept_without_the_folder(rig: Rig):
    folder = new_output_folder()
    job = await rig.submit(saving(), output_folder=folder)
    taken = await rig.store.queue.take(job.need, await rig.store.queue.register())
    assert taken is not None
    leases = Leases(rig.store, "worker")
    claim = await leases.claim(taken)
    assert claim is not None

    await leases.progress(claim.lease, {"message": f"saved {folder}/x.png"})
    told = (await rig.now(job)).progress
    words = f"No space left: /srv/output/{folder}/x.png"
    await leases.end(claim.lease, JobState.FAILED, words, error={"message": words}, warnings=[words])

    ended = await rig.now(job)
    plain = without_folders(words)
    assert told == {"message": "saved x.png"}
    assert (ended.error, ended.warnings) == ({"message": plain}, [plain])
    assert (await rig.store.transitions(job.id))[-1].reason == plain == "No space left: /srv/output/x.png"
