"""/view and /upload on the service: whose file a name means, wherever the job runs."""

import asyncio
import io
import json
import uuid
from typing import Any

import httpx
import pytest
from PIL import Image
from tests.service.native.conftest import Service, each_runs_one, ended, submitted
from tests.service.rig import picture, until

from comfywire.agent.pictures import small_webp
from comfywire.server import Server


def png(color: tuple[int, ...] = (1, 2, 3), size: tuple[int, int] = (8, 4)) -> bytes:
    made = io.BytesIO()
    Image.new("RGB" if len(color) == 3 else "RGBA", size, color).save(made, "PNG")
    return made.getvalue()


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


async def upload(
    client: httpx.AsyncClient, content: bytes, name: str = "a.png", *, route: str = "image", **fields: str
) -> dict[str, Any]:
    answer = await client.post(f"/upload/{route}", files={"image": (name, content)}, data=fields)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def view(client: httpx.AsyncClient, told: dict[str, Any], **more: str) -> httpx.Response:
    query = {
        "filename": told.get("name") or told["filename"],
        **{key: told[key] for key in ("subfolder", "type")},
    }
    return await client.get("/view", params={**query, **more})


async def test_an_output_is_seen_by_the_name_that_was_told(
    service: Service, client: httpx.AsyncClient, server: Server
) -> None:
    async with service.worker(server):
        prompt_id = await submitted(client)
        (image,) = (await ended(client, prompt_id))["outputs"]["2"]["images"]

    whole = await view(client, image)
    part = await client.get("/api/view", params=image, headers={"Range": "bytes=1-3"})
    again = await client.get("/view", params=image, headers={"If-None-Match": whole.headers["etag"]})

    assert (whole.status_code, opened(whole.content).size) == (200, (16, 16))
    assert (part.status_code, part.content) == (206, b"PNG")
    assert again.status_code == 304


async def test_names_of_two_servers_do_not_collide(service: Service, client: httpx.AsyncClient) -> None:
    async with Server() as one, Server() as two, service.worker(one, two):
        async with each_runs_one(one, two, node_id="2"):
            ids = [await submitted(client, picture(color)) for color in range(4)]
        entries = [await ended(client, prompt_id) for prompt_id in ids]
        images = [entry["outputs"]["2"]["images"][0] for entry in entries]
        assert len({image["filename"] for image in images}) < len(images)
        colors = [opened((await view(client, image)).content).getpixel((0, 0)) for image in images]

    assert colors == [(0, 0, color) for color in range(4)]


async def test_another_keys_files_are_not_there(
    service: Service, client: httpx.AsyncClient, server: Server
) -> None:
    told = await upload(client, png())
    async with service.worker(server), service.client(name="another") as other:
        (image,) = (await ended(client, await submitted(client)))["outputs"]["2"]["images"]

        assert (await view(other, image)).status_code == 404
        assert (await view(other, told)).status_code == 404


async def test_an_output_that_was_shown_is_waited_for_until_it_is_kept(
    service: Service, client: httpx.AsyncClient, server: Server
) -> None:
    prompt_id = await submitted(client)
    asking = asyncio.create_task(
        client.get("/view", params={"filename": "x_00001_.png", "subfolder": prompt_id, "type": "output"})
    )

    async with service.worker(server):
        answer = await asking

    assert (answer.status_code, opened(answer.content).size) == (200, (16, 16))


async def test_a_file_that_a_job_did_not_make_is_missed_at_its_end(
    service: Service, client: httpx.AsyncClient, server: Server
) -> None:
    prompt_id = await submitted(client)
    asking = asyncio.create_task(
        client.get("/view", params={"filename": "nope.png", "subfolder": prompt_id, "type": "output"})
    )

    async with service.worker(server):
        assert (await asking).status_code == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 404),
        ({"filename": ""}, 400),
        ({"filename": "/etc/passwd"}, 400),
        ({"filename": "a..b.png"}, 400),
        ({"filename": "x.png", "type": "models"}, 400),
        ({"filename": "x.png", "subfolder": ".."}, 403),
        ({"filename": "x.png", "subfolder": str(uuid.uuid4())}, 404),
    ],
)
async def test_what_cannot_be_seen_is_refused_without_words(
    client: httpx.AsyncClient, query: dict[str, str], status: int
) -> None:
    answer = await client.get("/view", params=query)

    assert (answer.status_code, answer.content) == (status, b"")


async def test_previews_and_channels_are_made_of_the_picture(client: httpx.AsyncClient) -> None:
    told = await upload(client, png((10, 20, 30, 40)))

    small = await view(client, told, preview="jpeg;75")
    plain = await view(client, told, channel="rgb")
    alpha = await view(client, told, channel="a")
    whole = await view(client, told, channel="other")

    assert (small.headers["content-type"], opened(small.content).format) == ("image/jpeg", "JPEG")
    assert (opened(plain.content).mode, opened(plain.content).getpixel((0, 0))) == ("RGB", (10, 20, 30))
    assert opened(alpha.content).getpixel((0, 0)) == (0, 0, 0, 40)
    assert whole.content == png((10, 20, 30, 40))


async def test_names_of_uploads_follow_comfyuis_rules(client: httpx.AsyncClient) -> None:
    one, two, three = png((1, 1, 1)), png((2, 2, 2)), png((3, 3, 3))

    names = [(await upload(client, content))["name"] for content in (one, two, three, two, one)]
    elsewhere = await upload(client, two, subfolder="sub/deep")
    again = await upload(client, three, overwrite="true")

    assert names == ["a.png", "a (1).png", "a (2).png", "a (1).png", "a.png"]
    assert (elsewhere["name"], elsewhere["subfolder"], elsewhere["type"]) == ("a.png", "sub/deep", "input")
    assert again["name"] == "a.png"
    assert (await view(client, again)).content == three
    assert (await view(client, elsewhere)).content == two


async def test_names_are_each_keys_own(service: Service, client: httpx.AsyncClient) -> None:
    await upload(client, png((1, 1, 1)))
    async with service.client(name="another") as other:
        told = await upload(other, png((2, 2, 2)))

        assert told["name"] == "a.png"
        assert (await view(other, told)).content == png((2, 2, 2))
    assert (await view(client, told)).content == png((1, 1, 1))


async def test_uploads_of_one_name_at_once_are_all_kept(client: httpx.AsyncClient) -> None:
    contents = [png((value, 0, 0)) for value in range(6)]

    told = await asyncio.gather(*(upload(client, content) for content in contents))

    assert len({one["name"] for one in told}) == 6
    assert [(await view(client, one)).content for one in told] == contents


@pytest.mark.parametrize("folder", ["input", "temp", "output"])
async def test_an_upload_is_on_whichever_server_runs_the_job(
    service: Service, client: httpx.AsyncClient, folder: str
) -> None:
    told = await upload(client, png(size=(7, 5)), "my photo.png", subfolder="mine", type=folder)
    name = f"mine/{told['name']}" + ("" if folder == "input" else f" [{folder}]")
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }

    async with Server() as one, Server() as two, service.worker(one, two):
        async with each_runs_one(one, two, node_id="2"):
            ids = [await submitted(client, prompt, extra_data={"n": n}) for n in range(4)]
        entries = [await ended(client, prompt_id) for prompt_id in ids]
        assert {entry["status"]["status_str"] for entry in entries} == {"success"}, entries
        shown = await view(client, entries[0]["outputs"]["2"]["images"][0])

    assert opened(shown.content).size == (7, 5)


async def test_an_output_becomes_an_input_by_its_name(
    service: Service, client: httpx.AsyncClient, server: Server
) -> None:
    async with service.worker(server):
        (made,) = (await ended(client, await submitted(client)))["outputs"]["2"]["images"]
        prompt = {
            "1": {
                "class_type": "LoadImage",
                "inputs": {"image": f"{made['subfolder']}/{made['filename']} [output]"},
            },
            "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        }
        entry = await ended(client, await submitted(client, prompt))

    assert entry["status"]["status_str"] == "success"


async def test_another_keys_output_is_refused_as_an_input(
    service: Service, client: httpx.AsyncClient, server: Server
) -> None:
    async with service.worker(server), service.client(name="another") as other:
        (made,) = (await ended(client, await submitted(client)))["outputs"]["2"]["images"]
        name = f"{made['subfolder']}/{made['filename']} [output]"
        prompt = {
            "1": {"class_type": "LoadImage", "inputs": {"image": name}},
            "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        }
        answer = await other.post("/prompt", json={"prompt": prompt})

    assert answer.status_code == 400
    (error,) = answer.json()["node_errors"]["1"]["errors"]
    assert (error["type"], error["extra_info"]["input_name"]) == ("custom_validation_failed", "image")


async def test_a_mask_is_put_on_its_original(client: httpx.AsyncClient) -> None:
    original = await upload(client, png((9, 8, 7)))
    reference = {"filename": original["name"], "subfolder": "", "type": "input"}

    told = await upload(
        client, png((0, 0, 0, 99)), "mask.png", route="mask", original_ref=json.dumps(reference)
    )
    made = opened((await view(client, told)).content)

    assert (told["name"], made.getpixel((0, 0))) == ("mask.png", (9, 8, 7, 99))


def bomb() -> bytes:
    """A picture of 68 million pixels in a few kilobytes."""
    made = io.BytesIO()
    Image.new("1", (8500, 8000)).save(made, "PNG")
    return made.getvalue()


async def test_a_picture_that_is_small_as_a_file_alone_is_decoded_for_nobody(
    service: Service, client: httpx.AsyncClient
) -> None:
    told = await upload(client, bomb())
    reference = json.dumps({"filename": told["name"], "subfolder": "", "type": "input"})
    files = {"image": ("mask.png", png((0, 0, 0, 9)))}

    masked = await client.post("/upload/mask", files=files, data={"original_ref": reference})
    shown = await view(client, told, preview="webp;90")

    assert (masked.status_code, shown.status_code) == (500, 500)
    assert small_webp(bomb(), 1 << 20) is None


async def test_masks_and_previews_wait_for_a_turn_together(
    service: Service, client: httpx.AsyncClient
) -> None:
    told = await upload(client, png())
    reference = {"filename": told["name"], "subfolder": "", "type": "input"}
    mask = {"route": "mask", "original_ref": json.dumps(reference)}
    async with service.core.assets.decoding, service.core.assets.decoding:
        waiting = [
            asyncio.create_task(upload(client, png((0, 0, 0, 9)), "mask.png", **mask)),
            asyncio.create_task(view(client, told, preview="webp;90")),
        ]
        await until(lambda: _wait(service, len(waiting)))
        assert not any(task.done() for task in waiting)
    await asyncio.gather(*waiting)


async def _wait(service: Service, count: int) -> bool:
    return len(service.core.assets.decoding._waiters or ()) == count


async def test_a_mask_for_an_original_that_is_not_there_is_not_kept(client: httpx.AsyncClient) -> None:
    told = await upload(
        client,
        png((0, 0, 0, 9)),
        "mask.png",
        route="mask",
        original_ref='{"filename": "x.png", "type": "input"}',
    )

    assert (await view(client, told)).status_code == 404


@pytest.mark.parametrize(
    ("files", "fields", "status"),
    [
        ({}, {"type": "input"}, 400),
        ({"image": ("x.png", b"x")}, {"type": "models"}, 400),
        ({"image": ("x.png", b"x")}, {"subfolder": "../up"}, 400),
        ({"image": ("x.png", b"x")}, {"subfolder": "/tmp"}, 400),
        ({"image": ("../../x.png", b"x")}, {}, 200),
    ],
)
async def test_odd_uploads_get_their_status(
    client: httpx.AsyncClient, files: Any, fields: dict[str, str], status: int
) -> None:
    answer = await client.post("/upload/image", files=files or {"other": ("y", b"y")}, data=fields)

    assert answer.status_code == status
    if status == 200:
        assert answer.json()["name"] == "..%2F..%2Fx.png"


async def test_own_uploads_are_among_the_choices_and_nobody_elses(
    service: Service, client: httpx.AsyncClient, server: Server
) -> None:
    async with service.worker(server):
        before = (await client.get("/object_info")).headers["etag"]
        await upload(client, png(), "mine.png")
        whole = await client.get("/object_info")
        async with service.client(name="another") as other:
            theirs = (await other.get("/object_info/LoadImage")).json()
        one = (await client.get("/object_info/LoadImage")).json()

    assert whole.headers["etag"] != before
    assert one["LoadImage"] == whole.json()["LoadImage"]
    assert "mine.png" in json.dumps(one)
    assert "mine.png" not in json.dumps(theirs)
