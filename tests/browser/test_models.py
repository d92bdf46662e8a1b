"""3D models on a turntable: a cube is drawn in its colour, and of files that are wrong it is said why."""

import io
import json
import struct
from typing import Any

import httpx
import pytest
from PIL import Image
from tests.browser.conftest import Opening, entered, made

CORNERS = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
FACES = [int(digit) for digit in "013032467475045051237276026064157173"]


def glb(**changes: Any) -> bytes:
    """A red cube as a binary glTF, with parts of its description changed."""
    points = b"".join(struct.pack("<3f", *corner) for corner in CORNERS)
    binary = points + struct.pack(f"<{len(FACES)}H", *FACES)
    told = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"children": [1]}, {"mesh": 0, "scale": [2, 2, 2]}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorFactor": [1, 0, 0, 1]}}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 8, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": len(FACES), "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteLength": len(points)},
            {"buffer": 0, "byteOffset": len(points), "byteLength": 2 * len(FACES)},
        ],
        "buffers": [{"byteLength": len(binary)}],
        **changes,
    }
    text = json.dumps(told).encode()
    text += b" " * (-len(text) % 4)
    chunks = (
        struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    )
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


async def shows(page: Any, job: dict[str, Any], content: bytes) -> None:
    """Have the page believe that a job made this model: no node of the test server makes one."""
    output = {
        **job["outputs"][0],
        "kind": "3d",
        "type": "file",
        "name": "cube.glb",
        "width": None,
        "height": None,
    }
    output["content_type"] = "model/gltf-binary"
    await page.route(
        f"**/api/v2/jobs/{job['id']}", lambda route: route.fulfill(json={**job, "outputs": [output]})
    )
    await page.route("**/api/v2/signed/**", lambda route: route.fulfill(body=content))
    await page.evaluate("(hash) => { location.hash = hash; }", f"#/view/{job['id']}/0")


async def test_a_cube_stands_in_its_colour_and_is_turned_by_keys(
    opened: Opening, guest: httpx.AsyncClient
) -> None:
    job = await made(guest)

    async with entered(opened, guest, "results", reduced_motion="reduce") as page:
        await shows(page, job, glb())
        canvas = page.locator(".model canvas")
        await canvas.wait_for()
        await page.get_by_text("3D · 12 faces").wait_for()
        before = Image.open(io.BytesIO(await canvas.screenshot())).convert("RGB")
        await canvas.focus()
        await page.keyboard.press("ArrowRight")
        await page.wait_for_timeout(300)
        after = Image.open(io.BytesIO(await canvas.screenshot())).convert("RGB")

    red, green, blue = before.getpixel((before.width // 2, before.height // 2))  # type: ignore[misc]
    assert red > 90 > 2 * max(green, blue)
    assert len(before.getcolors(1 << 20) or []) > 3  # its faces are lit by their slant
    assert before.tobytes() != after.tobytes()


WIDE = [{"children": [number + 1] * 40} for number in range(60)] + [{"mesh": 0}]
BEYOND = [{"bufferView": 0, "componentType": 5126, "count": 10**9, "type": "VEC3"}]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"no model", "no binary glTF", id="another-file"),
        pytest.param(glb()[:60], "damaged", id="cut"),
        pytest.param(glb(nodes=WIDE), "too many parts", id="a-tree-that-grows-without-end"),
        pytest.param(glb(nodes=[{"children": [0]}, {"mesh": 0}]), "no faces", id="its-own-child"),
        pytest.param(glb(accessors=BEYOND * 2), "points do", id="points-beyond-the-end"),
        pytest.param(glb(extensionsRequired=["KHR_draco_mesh_compression"]), "KHR_draco", id="compressed"),
        pytest.param(glb(buffers=[{"uri": "https://example.com/x"}]), "other files", id="elsewhere"),
    ],
)
async def test_a_model_that_cannot_be_shown_says_why(
    opened: Opening, guest: httpx.AsyncClient, content: bytes, words: str
) -> None:
    job = await made(guest)

    async with entered(opened, guest, "results") as page:
        await shows(page, job, content)

        await page.locator(".hang .note", has_text=words).wait_for()
