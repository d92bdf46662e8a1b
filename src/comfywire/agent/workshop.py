"""The workflow files of a folder, each of which is a tool."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mcp_types import Tool

from comfywire.client import Client
from comfywire.errors import ComfywireError, ConnectionFailed, ConnectionLost
from comfywire.workflow import Parameters, Workflow
from comfywire.workflow.load import read_params
from comfywire.workflow.parameters.schemas import schema_of

from .tools import tool_of_workflow

__all__ = ["Offered", "Workshop"]

SUFFIXES = (".json", ".png", ".webp")
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")
LONGEST_NAME = 60
"""Characters of a tool's name that a file gives: clients refuse longer ones than 64."""
FILE = [
    {
        "type": "string",
        "description": "The path of a file on this machine, or the `input` of another call's output.",
    }
]
log = logging.getLogger("comfywire")


@dataclass(frozen=True, slots=True)
class Offered:
    """One workflow that can be run.

    Attributes:
        name: That of its file, as far as the name of a tool takes it.
        path: The file.
        parameters: What can be set: those of its ``.params.toml``, or else what suggests itself.

    """

    name: str
    path: Path
    parameters: Parameters

    def tool(self) -> Tool:
        """Return the tool that runs it."""
        words = self.parameters.description or f"Run the workflow {self.name!r} on ComfyUI."
        schema = schema_of(self.parameters, title=self.name, file=FILE)
        return tool_of_workflow(self.name, words, schema)


class Workshop:
    """A folder; it is read anew each time, so that a file which was changed is a tool that was.

    Args:
        folder: Where the files are.
        client: The ComfyUI by whose nodes they are read.

    """

    def __init__(self, folder: Path, client: Client) -> None:
        self._folder = folder
        self._client = client
        self._told: set[str] = set()

    async def offered(self) -> dict[str, Offered]:
        """Return the workflows by name; a file that is none is left out, and the log says why."""
        found: dict[str, Offered] = {}
        for path in await asyncio.to_thread(lambda: list(self._paths())):
            name = NOT_IN_NAMES.sub("_", path.stem)[:LONGEST_NAME]
            if name in found:
                self._tell(f"{path.name} is left out: another file has the name {name!r}, too")
                continue
            try:
                found[name] = await self._read(name, path)
            except (ComfywireError, OSError) as error:
                self._tell(f"{path.name} is left out: {error}")
        return found

    def _tell(self, words: str) -> None:
        """Say something in the log, once: the folder is read at every call."""
        if words not in self._told:
            self._told.add(words)
            log.warning("%s", words)

    def _paths(self) -> Iterator[Path]:
        for path in sorted(self._folder.iterdir()):
            if path.suffix.lower() in SUFFIXES and path.is_file():
                yield path

    async def _read(self, name: str, path: Path) -> Offered:
        try:
            workflow = await self._client.load(path)
        except (ConnectionFailed, ConnectionLost):  # the tools are there all the same; a call will say so
            workflow = await asyncio.to_thread(Workflow.load, path)
        declared = await asyncio.to_thread(read_params, path)
        return Offered(name, path, workflow.parameters() if declared is None else declared)
