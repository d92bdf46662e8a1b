"""The documented surface of comfy-sdk, used as published: sync, then async. Prints what it was given.

Runs in an environment of its own; COMFY_BASE_URL and COMFY_API_KEY say where the service is.
"""

import asyncio
import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from comfy_sdk import AsyncComfy, Comfy  # type: ignore[import-not-found, unused-ignore]


def said(action: Callable[[], Any]) -> str:
    """The error that an action ends with."""
    try:
        return f"no error: {action()}"
    except Exception as error:  # noqa: BLE001 - which one it is, is what is asked
        return f"{type(error).__name__} {getattr(error, 'code', '')}".strip()


async def said_later(action: Any) -> str:
    try:
        return f"no error: {await action}"
    except Exception as error:  # noqa: BLE001 - as above
        return f"{type(error).__name__} {getattr(error, 'code', '')}".strip()


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def drive(task: dict[str, Any], folder: Path) -> dict[str, Any]:
    with Comfy() as client:
        made = client.workflows.from_json
        edit = made(task["edit"])
        edit.set_input("1", "image", client.assets.from_file(task["file"]))
        edited = client.run(edit)
        (output,) = edited.get_outputs("2")
        copy = client.assets.from_bytes(Path(task["file"]).read_bytes(), filename="copy.png")
        copy.commit()

        labels = {"client": "acme", "run": "1"}
        job = client.submit(made(task["picture"]), metadata=labels, idempotency_key="one", api_key="hush")
        again = client.submit(made(task["picture"]), metadata=labels, idempotency_key="one", api_key="hush")
        events = [type(event).__name__ for event in job.events()]
        for _ in range(3):
            client.run(made(task["picture"]))
        listed = list(client.list_jobs(limit=2))
        slow = client.submit(made(task["slow"]))
        slow.cancel()
        failed = client.submit(made(task["broken"]))
        return {
            "edited": encoded(output.to_bytes()),
            "range": encoded(output.to_bytes(range=(0, 3))),
            "file": encoded(output.to_file(folder / "x.png").read_bytes()),
            "url": output.get_download_url().url,
            "url_expires": str(output.get_download_url().expires_at),
            "output": [output.type, output.content_type, output.size_bytes, output.job_id == edited.id],
            "copy": copy.created_new,
            "asset": client.assets.get(copy.id).hash == copy.hash,
            "deleted": [str(copy.delete()), said(lambda: client.assets.get(copy.id or "gone"))],
            "kept": said(lambda: client.assets.delete(output.id)),
            "replayed": again.id == job.id,
            "reused": said(lambda: client.submit(made(task["slow"]), idempotency_key="one")),
            "labels": client.jobs.get(job.id).metadata,
            "events": [events[-1], "OutputReady" in events],
            "listed": len({one.id for one in listed}),
            "summary": [one.status for one in client.list_jobs(metadata=labels)],
            "none": [one.id for one in client.list_jobs(metadata={"client": "other"})],
            "canceled": slow.wait(timeout=60).status,
            "failed": said(failed.result),
            "error": [failed.error.code, failed.error.node_id, failed.error.class_type],
            "workflow": [job.get_workflow().format, job.get_workflow().graph == task["picture"]],
            "wrong": said(lambda: client.submit(made(task["wrong"]))),
            "missing": said(lambda: client.jobs.get("5f0c2f3e-0000-4000-8000-000000000000")),
            "unknown": said(lambda: client.submit(made(task["unknown"]))),
        }


def drive_models() -> dict[str, Any]:
    """``client.models``, with its Router at the service."""
    with Comfy() as client:
        models = client.models
        updates: list[Any] = []
        schema = models.schema("local/square")
        made = models.run("local/square", {"color": 5})
        handle = models.submit("local/square", {"color": 6})
        again = models.handle("local/square", handle.request_id).get(timeout=60)
        followed = models.subscribe("local/square", {}, on_queue_update=updates.append, timeout=60)
        broken = models.submit("local/broken", {})
        stopped = models.submit("local/slow", {})
        stopped.cancel()
        return {
            "listed": [model.id for model in models.list(limit=2)],
            "page": [len(models.list(limit=2).page().data), models.list(limit=2).page().has_more],
            "takes": sorted(schema.document["components"]["schemas"]["Inputs"]["properties"]),
            "unchanged": models.schema("local/square", etag=schema.etag).unchanged,
            "made": [made["status"], made["inputs"], made["outputs"][0]["type"]],
            "again": [again["inputs"], again["id"] == handle.request_id],
            "replayed": models.run_detailed("local/square", {"color": 5}, idempotency_key="k").replayed,
            "replayed_again": models.run_detailed("local/square", {"color": 5}, idempotency_key="k").replayed,
            "followed": [followed["status"], updates[-1].status],
            "broken": said(lambda: broken.get(timeout=60)),
            "stopped": said(lambda: stopped.get(timeout=60)),
            "failed": said(lambda: models.run("local/broken", {})),
            "wrong": said(lambda: models.run("local/square", {"color": "blue"})),
            "unknown": said(lambda: models.run("local/round", {})),
            "elsewhere": said(lambda: models.run("bfl/flux", {})),
            "reused": said(lambda: models.run("local/square", {"color": 9}, idempotency_key="k")),
            "missing": said(
                lambda: models.handle("local/square", "5f0c2f3e-0000-4000-8000-000000000000").status()
            ),
        }


async def drive_models_async() -> dict[str, Any]:
    async with AsyncComfy() as client:
        handle = await client.models.submit("local/square", {"color": 6})
        return {
            "listed": [model.id async for model in client.models.list()],
            "made": (await client.models.run("local/square", {"color": 5}))["status"],
            "got": (await handle.get(timeout=60))["status"],
            "failed": await said_later(client.models.run("local/broken", {})),
        }


async def drive_async(task: dict[str, Any]) -> dict[str, Any]:
    async with AsyncComfy() as client:
        made = client.workflows.from_json
        edit = made(task["edit"])
        edit.set_input("1", "image", client.assets.from_file(task["file"]))
        edited = await client.run(edit)
        job = await client.submit(made(task["picture"]), metadata={"client": "async"})
        events = [type(event).__name__ async for event in job.events()]
        await job.refresh()
        failed = await client.submit(made(task["broken"]))
        return {
            "edited": encoded(await edited.outputs[0].to_bytes()),
            "events": [events[-1], "OutputReady" in events],
            "listed": [one.id async for one in client.list_jobs(metadata={"client": "async"})] == [job.id],
            "status": job.status,
            "failed": await said_later(failed.result()),
            "wrong": await said_later(client.submit(made(task["wrong"]))),
            "workflow": (await job.get_workflow()).format,
        }


if __name__ == "__main__":
    given = json.load(sys.stdin)
    if given.get("models"):
        found = {"sync": drive_models(), "async": asyncio.run(drive_models_async())}
    else:
        found = {"sync": drive(given, Path(given["folder"])), "async": asyncio.run(drive_async(given))}
    sys.stdout.write(json.dumps(found))
