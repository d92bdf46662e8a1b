"""A small web application that makes pictures with ComfyUI: POST a text to /postcards, and get a PNG."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

import comfywire

WORKFLOW = Path(__file__).parents[1] / "workflows" / "text_to_image.json"
COMFYUI = web.AppKey("COMFYUI", comfywire.Client)


def make_app(comfyui_url: str) -> web.Application:
    """Return the application; the address is an argument, so that a test can pass another one."""

    async def connected(app: web.Application) -> AsyncIterator[None]:
        async with comfywire.Client(comfyui_url, unreachable_timeout=2) as app[COMFYUI]:
            yield

    app = web.Application()
    app.cleanup_ctx.append(connected)
    app.router.add_post("/postcards", postcard)
    return app


async def postcard(request: web.Request) -> web.Response:
    """Run the workflow with the text that was sent, and answer with its picture."""
    text = (await request.text()).strip()
    if not text:
        raise web.HTTPBadRequest(text="say what should be on the postcard")
    try:
        result = await request.app[COMFYUI].run(
            WORKFLOW, inputs={"prompt": text, "seed": "random"}, timeout=60
        )
        picture = await result.outputs[0].read()
    except comfywire.JobFailed as error:
        raise web.HTTPBadGateway(text=str(error)) from error
    except comfywire.ComfywireError as error:
        raise web.HTTPServiceUnavailable(text="no pictures at the moment") from error
    return web.Response(body=picture, content_type="image/png")


if __name__ == "__main__":
    web.run_app(make_app(os.environ.get("COMFYWIRE_SERVER", "http://127.0.0.1:8188")))
