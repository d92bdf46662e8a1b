from __future__ import annotations

import io
import json

import aiohttp
import pytest
from PIL import Image
from tests.server.wire import Wire, image

from comfywire.server import Server


def png(colour: tuple[int, ...] = (255, 0, 0), *, size: int = 8, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (size, size), colour).save(buffer, format="PNG")
    return buffer.getvalue()


async def upload(
    wire: Wire, content: bytes, name: str = "x.png", *, path: str = "/upload/image", **fields: str
):
    form = aiohttp.FormData()
    form.add_field("image", content, filename=name)
    for field, value in fields.items():
        form.add_field(field, value)
    async with wire.session.post(path, data=form) as reply:
        return reply.status, await reply.json() if reply.status == 200 else await reply.read()


async def test_an_upload_lands_in_input(server: Server, wire: Wire):
    assert await upload(wire, png()) == (200, {"name": "x.png", "subfolder": "", "type": "input"})
    assert (server.folder / "input/x.png").read_bytes() == png()


async def test_the_same_bytes_are_not_saved_twice_and_others_get_a_number(server: Server, wire: Wire):
    names = [
        (await upload(wire, content))[1]["name"] for content in (png(), png(), png((0, 0, 1)), png((0, 0, 1)))
    ]

    assert names == ["x.png", "x.png", "x (1).png", "x (1).png"]


@pytest.mark.parametrize(("overwrite", "name"), [("true", "x.png"), ("1", "x.png"), ("yes", "x (1).png")])
async def test_overwriting_has_to_be_asked_for(server: Server, wire: Wire, overwrite, name):
    await upload(wire, png())

    _, answer = await upload(wire, png((0, 0, 1)), overwrite=overwrite)

    assert answer["name"] == name


@pytest.mark.parametrize("kind", ["input", "temp", "output"])
async def test_an_upload_goes_where_type_and_subfolder_say(server: Server, wire: Wire, kind):
    _, answer = await upload(wire, png(), type=kind, subfolder="a b/c")

    assert answer == {"name": "x.png", "subfolder": "a b/c", "type": kind}
    assert (server.folder / kind / "a b/c/x.png").exists()


async def test_an_upload_out_of_the_root_is_refused(server: Server, wire: Wire):
    assert (await upload(wire, png(), subfolder="../../evil"))[0] == 400
    assert not (server.folder.parent / "evil").exists()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param({}, 400, id="no-image"),
        pytest.param({"image": "text"}, 500, id="image-is-text"),
        pytest.param({"type": "models"}, 500, id="unknown-type"),
    ],
)
async def test_a_wrong_form_is_answered_as_comfyui_does(wire: Wire, fields, status, caplog):
    caplog.set_level("CRITICAL", logger="aiohttp.server")
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in {"x": "y", **fields}.items():
        form.add_field(name, value)

    async with wire.session.post("/upload/image", data=form) as reply:
        assert reply.status == status


async def test_a_mask_becomes_the_originals_alpha_channel(server: Server, wire: Wire):
    await upload(wire, png(), "original.png")
    reference = json.dumps({"filename": "original.png", "type": "input"})

    status, answer = await upload(
        wire, png((0, 0, 0, 77), mode="RGBA"), "mask.png", path="/upload/mask", original_ref=reference
    )

    with Image.open(server.folder / "input" / answer["name"]) as merged:
        assert (status, merged.getpixel((0, 0))) == (200, (255, 0, 0, 77))


@pytest.mark.parametrize(
    "reference", [{"filename": "none.png"}, {"filename": "../x.png"}], ids=["missing", "outside"]
)
async def test_a_mask_without_original_is_200_and_no_file(server: Server, wire: Wire, reference):
    status, answer = await upload(
        wire, png(mode="RGBA", colour=(0,) * 4), path="/upload/mask", original_ref=json.dumps(reference)
    )

    assert (status, answer["name"]) == (200, "x.png")
    assert not (server.folder / "input/x.png").exists()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param("filename=x.png&type=input", 200, id="there"),
        pytest.param("filename=x.png [input]", 200, id="annotated"),
        pytest.param("filename=some/where/x.png&type=input", 200, id="only-the-basename-counts"),
        pytest.param("filename=x.png", 404, id="another-root"),
        pytest.param("type=input", 404, id="no-name"),
        pytest.param("filename=", 400, id="empty"),
        pytest.param("filename=/x.png&type=input", 400, id="absolute"),
        pytest.param("filename=a..b.png&type=input", 400, id="two-dots"),
        pytest.param("filename=x.png&type=models", 400, id="unknown-type"),
        pytest.param("filename=x.png&type=input&subfolder=../..", 403, id="out-of-the-root"),
        pytest.param("filename=x.png&type=input&subfolder=none", 404, id="no-such-folder"),
    ],
)
async def test_view_answers_as_comfyui_does(wire: Wire, query, status):
    await upload(wire, png())

    assert (await wire.get(f"/view?{query}"))[0] == status


async def test_view_sends_parts_and_says_what_it_sends(wire: Wire):
    await upload(wire, png())

    async with wire.session.get("/view?filename=x.png&type=input", headers={"Range": "bytes=0-3"}) as reply:
        assert (reply.status, await reply.read()) == (206, b"\x89PNG")
        assert reply.headers["Content-Disposition"] == 'filename="x.png"'
        assert reply.content_type == "image/png"
        etag = reply.headers["ETag"]
    async with wire.session.get("/view?filename=x.png&type=input", headers={"If-None-Match": etag}) as reply:
        assert reply.status == 304


async def test_a_page_is_not_shown_as_one(wire: Wire):
    await upload(wire, b"<script>", "x.html")

    async with wire.session.get("/view?filename=x.html&type=input") as reply:
        assert reply.content_type == "application/octet-stream"


@pytest.mark.parametrize(
    ("wish", "encoding", "mode"),
    [
        pytest.param("preview=webp;50", "WEBP", "RGBA", id="webp"),
        pytest.param("preview=jpeg;50", "JPEG", "RGB", id="jpeg"),
        pytest.param("preview=png", "WEBP", "RGBA", id="anything-else-is-webp"),
        pytest.param("preview=jpeg&channel=a", "WEBP", "RGBA", id="jpeg-has-no-alpha"),
        pytest.param("channel=rgb", "PNG", "RGB", id="without-alpha"),
        pytest.param("channel=a", "PNG", "RGBA", id="alpha-only"),
        pytest.param("channel=rgba", "PNG", "RGBA", id="as-it-is"),
    ],
)
async def test_view_makes_previews_and_channels(wire: Wire, wish, encoding, mode):
    await upload(wire, png((9, 8, 7, 100), mode="RGBA"))

    _, content = await wire.get(f"/view?filename=x.png&type=input&{wish}")

    with Image.open(io.BytesIO(content)) as made:
        assert (made.format, made.mode) == (encoding, mode)
        if wish == "channel=a":
            assert made.getpixel((0, 0)) == (0, 0, 0, 100)


async def test_saved_pictures_are_counted_on_from_what_is_there(server: Server, wire: Wire):
    (server.folder / "output/test_00041_.png").write_bytes(b"")
    await wire.submit(image(1))
    await server.until_idle()
    (server.folder / "output/test_00042_.png").unlink()
    await wire.submit(image(2))
    await server.until_idle()

    names = sorted(path.name for path in (server.folder / "output").iterdir())

    assert names == ["test_00041_.png", "test_00042_.png"]


@pytest.mark.parametrize(
    ("prefix", "path"),
    [
        ("a/b/c", "a/b/c_00001_.png"),
        ("%width%x%height%", "8x8_00001_.png"),
        ("n%batch_num%", "n0_00001_.png"),
    ],
)
async def test_a_prefix_can_name_folders_and_sizes(server: Server, wire: Wire, prefix, path):
    prompt = image()
    prompt["2"]["inputs"]["filename_prefix"] = prefix

    await wire.submit(prompt)
    await server.until_idle()

    assert (server.folder / "output" / path).exists()


async def test_saving_out_of_the_root_fails_when_it_runs(server: Server, wire: Wire):
    prompt = image()
    prompt["2"]["inputs"]["filename_prefix"] = "../../evil"

    entry = await wire.history(await done(server, wire, prompt))

    kind, error = entry["status"]["messages"][-1]
    assert (kind, error["exception_type"]) == ("execution_error", "Exception")
    assert error["exception_message"].startswith("**** ERROR: Saving image outside the output folder")


async def done(server: Server, wire: Wire, prompt: dict) -> str:
    prompt_id = await wire.submit(prompt)
    await server.until_done(prompt_id)
    return prompt_id


async def test_prompt_and_workflow_are_in_the_saved_picture(server: Server, wire: Wire):
    workflow = {"nodes": [], "é": 1}

    await wire.submit(image(), extra_data={"extra_pnginfo": {"workflow": workflow}})
    await server.until_idle()

    with Image.open(server.folder / "output/test_00001_.png") as saved:
        texts = {key: json.loads(text) for key, text in saved.text.items()}  # type: ignore[attr-defined]
    assert texts == {"prompt": image(), "workflow": workflow}


async def test_models_are_files_or_the_placeholder(server: Server, wire: Wire):
    before = (await wire.get("/models/checkpoints"))[1]
    for path in ("checkpoints/b/real.safetensors", "embeddings/nice.pt"):
        (server.folder / "models" / path).parent.mkdir(parents=True)
        (server.folder / "models" / path).touch()

    assert before[0] == "comfywire-placeholder.safetensors"
    assert "v1-5-pruned-emaonly-fp16.safetensors" in before  # the template that people start from
    assert (await wire.get("/models/checkpoints"))[1] == ["b/real.safetensors"]
    assert (await wire.get("/embeddings"))[1] == ["nice"]
    assert (await wire.get("/models/none"))[0] == 404
