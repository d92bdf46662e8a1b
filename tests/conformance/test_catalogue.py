"""What a server tells of itself: nodes, models, features, the machine; and both forms of each route."""

from __future__ import annotations

import pytest
from tests.conformance.conftest import Place
from tests.server.wire import Wire

NODES = ["EmptyImage", "ImageScale", "LoadImage", "SaveImage", "PreviewImage", "KSampler"]
KEYS = {
    "input",
    "input_order",
    "output",
    "output_is_list",
    "output_name",
    "name",
    "display_name",
    "description",
    "python_module",
    "category",
    "output_node",
}
NEWER_KEYS = {"is_input_list", "has_intermediate_output", "search_aliases"}


@pytest.mark.parametrize("name", NODES)
async def test_one_class_is_described_as_among_all(wire: Wire, name):
    status, one = await wire.get(f"/object_info/{name}")

    assert status == 200
    assert one == {name: (await wire.get("/object_info"))[1][name]}


@pytest.mark.parametrize("name", NODES)
async def test_a_class_is_described_by_these_keys(place: Place, wire: Wire, name):
    entry = (await wire.get(f"/object_info/{name}"))[1][name]

    assert KEYS | (NEWER_KEYS if place.is_new else set()) <= set(entry)
    assert entry["name"] == name
    assert {section: list(inputs) for section, inputs in entry["input"].items()} == entry["input_order"]
    assert len(entry["output"]) == len(entry["output_name"]) == len(entry["output_is_list"])


async def test_an_input_is_its_type_and_options(wire: Wire):
    width = (await wire.get("/object_info/EmptyImage"))[1]["EmptyImage"]["input"]["required"]["width"]

    assert width == ["INT", {"default": 512, "min": 1, "max": 16384, "step": 1}]


@pytest.mark.parametrize("name", ["NoSuchNode", "emptyimage", "EmptyImage%20"])
async def test_an_unknown_class_is_described_by_nothing(wire: Wire, name):
    assert await wire.get(f"/object_info/{name}") == (200, {})


async def test_the_machine_is_described(place: Place, wire: Wire):
    _, stats = await wire.get("/system_stats")

    system = {
        "os",
        "ram_total",
        "ram_free",
        "comfyui_version",
        "required_frontend_version",
        "installed_templates_version",
        "required_templates_version",
        "python_version",
        "pytorch_version",
        "embedded_python",
        "argv",
    }
    newer = {"comfy_package_versions", "deploy_environment"} if place.is_new else set()
    assert set(stats) == {"system", "devices"}
    assert set(stats["system"]) == system | newer
    assert stats["system"]["os"] in ({"linux", "darwin", "win32"} if place.is_new else {"posix", "nt"})
    assert set(stats["devices"][0]) == {
        "name",
        "type",
        "index",
        "vram_total",
        "vram_free",
        "torch_vram_total",
        "torch_vram_free",
    }


async def test_features_are_a_flat_object(wire: Wire):
    status, features = await wire.get("/features")

    assert (status, features["supports_preview_metadata"]) == (200, True)
    assert features["max_upload_size"] > 1024**2


async def test_model_folders_are_listed(wire: Wire):
    status, folders = await wire.get("/models")

    assert status == 200
    assert {"checkpoints", "loras", "vae", "embeddings", "controlnet", "upscale_models"} <= set(folders)
    for folder in folders:
        status, files = await wire.get(f"/models/{folder}")
        assert (folder, status, all(isinstance(name, str) for name in files)) == (folder, 200, True)


async def test_an_unknown_model_folder_is_a_404(wire: Wire):
    assert await wire.get("/models/nosuch") == (404, b"")


async def test_model_folders_are_described(place: Place, wire: Wire):
    _, folders = await wire.get("/experiment/models")

    names = [one for one in (await wire.get("/models"))[1] if one not in ("configs", "custom_nodes")]
    assert [folder["name"] for folder in folders] == names
    keys = {"name", "folders", "extensions"} if place.is_new else {"name", "folders"}
    assert {frozenset(folder) for folder in folders} == {frozenset(keys)}


@pytest.mark.parametrize("path", ["/experiment/models/nosuch", "/view_metadata/loras"])
async def test_models_that_are_not_there_are_a_404(wire: Wire, path):
    assert await wire.get(path) == (404, b"")


@pytest.mark.parametrize("path", ["/i18n", "/workflow_templates"])
async def test_what_custom_nodes_add_is_an_object(wire: Wire, path):
    status, added = await wire.get(path)

    assert (status, type(added)) == (200, dict)


@pytest.mark.parametrize("path", ["/nosuch", "/api/nosuch"])
async def test_an_unknown_path_is_an_empty_stream(wire: Wire, path):
    async with wire.session.get(path) as reply:
        assert (reply.status, await reply.read()) == (404, b"")
        assert reply.headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize("path", ["/embeddings", "/extensions"])
async def test_other_lists_are_lists_of_texts(wire: Wire, path):
    status, names = await wire.get(path)

    assert (status, all(isinstance(name, str) for name in names)) == (200, True)


ROUTES = [
    "/prompt",
    "/queue",
    "/history",
    "/history/unknown",
    "/object_info/EmptyImage",
    "/features",
    "/embeddings",
    "/models",
    "/models/nosuch",
    "/extensions",
    "/view",
    "/view?filename=",
]


@pytest.mark.parametrize("path", ROUTES)
async def test_each_route_is_there_with_and_without_api(wire: Wire, path):
    assert await wire.get(path) == await wire.get(f"/api{path}")


@pytest.mark.parametrize("path", ["/queue", "/api/queue", "/history", "/system_stats"])
async def test_head_is_answered_where_get_is(wire: Wire, path):
    async with wire.session.head(path) as reply:
        assert (reply.status, await reply.read()) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nosuch", 404),
        ("GET", "/api/nosuch", 404),
        ("POST", "/nosuch", 405),
        ("POST", "/api/nosuch", 405),
        ("DELETE", "/queue", 405),
        ("PUT", "/prompt", 405),
        ("POST", "/system_stats", 405),
        ("GET", "/interrupt", 404),
        ("GET", "/jobs", 404),
        ("POST", "/jobs/cancel", 405),
        ("OPTIONS", "/prompt", 200),
        ("OPTIONS", "/nosuch", 200),
    ],
)
async def test_unknown_routes_are_404_for_get_and_405_otherwise(wire: Wire, method, path, status):
    async with wire.session.request(method, path) as reply:
        assert reply.status == status
