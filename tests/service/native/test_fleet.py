"""What the fleet says of itself on ComfyUI's routes: one catalogue, one machine, its models."""

from typing import Any

import httpx
import pytest
from tests.service.native.conftest import Service
from tests.service.rig import until

from comfywire.server import Server
from comfywire.server.faults import Faults
from comfywire.service.native.union import choices_of, union, with_files

OLD = {"input": {"required": {"ckpt": [["a", "b"], {"tooltip": "x"}], "n": ["INT", {}]}}, "name": "Loader"}
NEW = {
    "input": {"required": {"ckpt": ["COMBO", {"options": ["b", "c"]}], "n": ["INT", {"min": 1}]}},
    "name": "Loader",
}


@pytest.mark.parametrize(
    ("catalogues", "expected"),
    [
        ([NEW, OLD], ["COMBO", {"options": ["b", "c", "a"]}]),
        ([OLD, NEW], [["a", "b", "c"], {"tooltip": "x"}]),
        ([OLD], [["a", "b"], {"tooltip": "x"}]),
    ],
)
def test_a_class_has_the_newest_form_and_the_choices_of_all(catalogues: list[Any], expected: Any) -> None:
    joined = union([{"Loader": entry} for entry in catalogues])["Loader"]

    assert joined["input"]["required"]["ckpt"] == expected
    assert joined["input"]["required"]["n"] == catalogues[0]["input"]["required"]["n"]


def test_a_class_that_one_server_has_is_there() -> None:
    assert set(union([{"A": OLD}, {"B": NEW}])) == {"A", "B"}


@pytest.mark.parametrize(
    "spec", [[["x.png"], {"image_upload": True}], ["COMBO", {"options": ["x.png"], "image_upload": True}]]
)
def test_uploads_are_choices_where_uploads_go(spec: Any) -> None:
    entry = {"input": {"required": {"image": spec, "other": [["x.png"], {}]}}}

    inputs = with_files(entry, ["mine.png"])["input"]["required"]

    assert choices_of(inputs["image"]) == ["x.png", "mine.png"]
    assert choices_of(inputs["other"]) == ["x.png"]


async def test_the_catalogue_is_packed_and_sent_once(
    service: Service, client: httpx.AsyncClient, server: Server
) -> None:
    async with service.worker(server):
        first = await client.get("/object_info")
        again = await client.get("/api/object_info", headers={"If-None-Match": first.headers["etag"]})
        one = await client.get("/object_info/KSampler")
        none = await client.get("/object_info/NoSuchClass")

    assert first.headers["content-encoding"] == "gzip"
    assert (again.status_code, again.content) == (304, b"")
    assert one.json() == {"KSampler": first.json()["KSampler"]}
    assert none.json() == {}


async def test_the_machine_is_the_newest_comfyuis_with_all_devices(
    service: Service, client: httpx.AsyncClient
) -> None:
    async with Server(profile="0.3.64") as old, Server(profile="0.33.0") as new, service.worker(old, new):
        stats = (await client.get("/system_stats")).json()
        folders = (await client.get("/models")).json()
        models = (await client.get("/models/checkpoints")).json()
        embeddings = (await client.get("/embeddings")).json()
        unknown = await client.get("/models/nosuch")

    assert stats["system"]["comfyui_version"] == "0.33.0"
    assert [device["index"] for device in stats["devices"]] == [0, 1]
    assert stats["system"]["argv"] == []
    assert {"checkpoints", "loras", "vae"} <= set(folders)
    assert "comfywire-placeholder.safetensors" in models
    assert isinstance(embeddings, list)
    assert unknown.status_code == 404


async def test_without_a_comfyui_programs_find_the_members_that_they_read(client: httpx.AsyncClient) -> None:
    stats = (await client.get("/system_stats")).json()

    assert (stats["system"]["comfyui_version"], stats["devices"]) == ("0.0.0", [])
    assert (await client.get("/object_info")).json() == {}
    assert (await client.get("/extensions")).json() == []
    assert (await client.get("/users")).json() == {"storage": "server", "migrated": True}
    assert (await client.get("/features")).json()["supports_preview_metadata"] is True


async def test_freeing_is_for_administrators_and_reaches_what_is_idle(
    service: Service, client: httpx.AsyncClient
) -> None:
    async with (
        Server(faults=Faults()) as one,
        Server(faults=Faults()) as two,
        service.worker(one, two),
        service.client("admin") as admin,
    ):
        told = [server.faults.replies.delay("POST /free", 0) for server in (one, two)]
        assert (await client.post("/free", json={"unload_models": True})).status_code == 403
        assert not any(rule.is_spent for rule in told)

        assert (await admin.post("/free", json={"unload_models": True})).status_code == 200

        async def all_are_told() -> bool:
            return all(rule.is_spent for rule in told)

        await until(all_are_told)
