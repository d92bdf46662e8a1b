"""comfy-mcp: a workflow run and its picture fetched by its tools, as an agent calls them."""

import asyncio
import base64
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from mcp import ClientSession, StdioServerParameters  # type: ignore[import-not-found]
from mcp.client.stdio import stdio_client  # type: ignore[import-not-found]

BIN = Path(sys.executable).parent


def written(folder: str, prompt: dict[str, Any]) -> str:
    workflow = Path(folder, "workflow.json")
    workflow.write_text(json.dumps(prompt))
    return str(workflow)


def read(path: str) -> str:
    return base64.b64encode(Path(path).read_bytes()).decode()


async def drive(task: dict[str, Any], url: str) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as home:
        workflow = written(home, task["picture"])
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        environment = {"HOME": home, "PATH": path, "COMFYUI_URL": url, "DO_NOT_TRACK": "1"}
        server = StdioServerParameters(command=str(BIN / "comfy-mcp"), env=environment)
        async with stdio_client(server) as (reads, writes), ClientSession(reads, writes) as session:
            await session.initialize()

            async def call(tool: str, **arguments: Any) -> Any:
                answer: Any = await session.call_tool(tool, arguments)
                return json.loads(answer.content[0].text)

            made = await call("run_workflow", workflow_path=workflow)
            kept = await call("fetch_outputs", prompt_id=made["prompt_id"], out_dir=home)
            return {"picture": read(kept["files"][0]["path"])}


async def main() -> None:
    given = json.load(sys.stdin)
    print(json.dumps([await drive(given, url) for url in given["servers"]]))


asyncio.run(main())
