"""A client that knows tasks; without the extra `mcp` there is none."""

from typing import Any, Literal

import httpx
import mcp_types  # type: ignore[import-not-found,unused-ignore]
from mcp.client import ClaimContext, ClientExtension, ResultClaim  # type: ignore[import-not-found,unused-ignore]
from pydantic import Field


class Created(mcp_types.Result):
    result_type: Literal["task"] = Field(alias="resultType")
    task_id: str = Field(alias="taskId")


class Tasks(ClientExtension):
    """A client that knows tasks, and resolves them by asking again."""

    identifier = "io.modelcontextprotocol/tasks"

    def __init__(self) -> None:
        self.created: list[str] = []

    def claims(self) -> Any:
        return [ResultClaim(result_type="task", model=Created, resolve=self.resolve)]

    async def resolve(self, task: Created, ctx: ClaimContext) -> mcp_types.CallToolResult:
        self.created.append(task.task_id)
        values = {"job_id": task.task_id, "status": "queued", "outputs": []}
        return mcp_types.CallToolResult(content=[], structured_content=values)


async def task_of(http: httpx.AsyncClient, method: str, task_id: str) -> dict[str, Any]:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {Tasks.identifier: {}}},
    }
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": method,
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"taskId": task_id, "_meta": meta}}
    answer = await http.post("/mcp", json=body, headers=headers)
    return dict(answer.json())
