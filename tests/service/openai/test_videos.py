import uuid

import pytest
from tests.server.wire import film as film_of
from tests.service.openai.conftest import png
from tests.service.rig import until

FILM = film_of("a.png")
PARAMETERS = {
    "image": {"type": "image", "inputs": ["1.image"], "required": True},
    "seconds": {"type": "float", "inputs": ["2.fps"], "min": 1},
}


@pytest.fixture
async def film(town):
    await town.register("film", FILM, parameters=PARAMETERS, aliases=["sora-2"])
    files = {"input_reference": ("a.png", png(16), "image/png")}
    answer = await town.http.post("/v1/videos", data={"model": "sora-2", "seconds": "4"}, files=files)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def status_of(town, video):
    return (await town.http.get(f"/v1/videos/{video['id']}")).json()


async def is_completed(town, video):
    return (await status_of(town, video))["status"] == "completed"


async def test_a_video_is_a_job_with_a_status_and_content(town, film):
    await until(lambda: is_completed(town, film))

    video = await status_of(town, film)
    content = await town.http.get(f"/v1/videos/{film['id']}/content")
    assert (film["object"], film["model"], film["seconds"], film["size"]) == ("video", "sora-2", "4", "auto")
    assert (video["progress"], video["error"]) == (100, None)
    assert (content.headers["content-type"], content.content[:4]) == ("image/webp", b"RIFF")


async def test_videos_are_listed_newest_first(town, film):
    page = (await town.http.get("/v1/videos")).json()

    assert ([one["id"] for one in page["data"]], page["has_more"]) == ([film["id"]], False)
    assert (await town.http.get("/v1/videos", params={"after": film["id"]})).json()["data"] == []


async def test_content_of_a_video_that_is_not_done_is_refused_in_words(town):
    held = town.comfyui.faults.nodes.hold(node_id="2")
    await town.register("film", FILM, parameters=PARAMETERS)
    files = {"input_reference": ("a.png", png(16), "image/png")}
    video = (await town.http.post("/v1/videos", data={"model": "film"}, files=files)).json()

    answer = await town.http.get(f"/v1/videos/{video['id']}/content")
    held.release()

    assert answer.status_code == 400
    assert "ask again when it is completed" in answer.json()["error"]["message"]


async def test_a_video_that_is_not_there_is_not_found(town):
    answer = await town.http.get(f"/v1/videos/{uuid.uuid4()}")

    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "invalid_request_error")
