"""Which servers may run a job, which is best now, and why none can. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from comfywire.service.jobs.engine import Head
from comfywire.workflow.object_info import ObjectInfo

__all__ = ["AFFINITY_ROUNDS", "Choice", "ServerView", "choose", "models_of", "refusals", "why_waiting"]

AFFINITY_ROUNDS = 4
"""By how many turns of its key a job may be overtaken by one whose models a server has loaded."""
KINDS = {"ckpt": "checkpoint", "lora": "LoRA", "vae": "VAE", "control_net": "ControlNet", "unet": "model"}


@dataclass(frozen=True, slots=True)
class ServerView:
    """One server that has room, as the choice needs to see it.

    Attributes:
        url: Which.
        needs: What it can run.
        running: Prompts of ours that it has.
        foreign: Prompts of other people that it has.
        loaded: Model files that its last jobs used.

    """

    url: str
    needs: frozenset[str]
    running: int = 0
    foreign: int = 0
    loaded: frozenset[str] = field(default_factory=frozenset)

    @property
    def queue(self) -> int:
        """How many prompts a new one waits for."""
        return self.running + self.foreign


@dataclass(frozen=True, slots=True)
class Choice:
    """A job's need, and the server that should take it."""

    need: str
    url: str


def refusals(requirement: Mapping[str, Any], object_info: ObjectInfo, tags: Iterable[str]) -> list[str]:
    """Return what a server lacks: ``node 'X'``, ``checkpoint 'x.safetensors'``, ...; nothing if it can."""
    reasons = [f"node {name!r}" for name in requirement["class_types"] if object_info.get(name) is None]
    reasons += [
        f"{_kind(name)} {file!r}"
        for class_type, inputs in requirement["models"].items()
        for name, files in inputs.items()
        for file in files
        if not _offers(object_info, class_type, name, file)
    ]
    reasons += [f"tag {tag!r}" for tag in requirement["tags"] if tag not in set(tags)]
    return list(dict.fromkeys(reasons))


def _offers(object_info: ObjectInfo, class_type: str, name: str, file: str) -> bool:
    node_type = object_info.get(class_type)
    spec = None if node_type is None else node_type.inputs.get(name)
    # A free text, or a list that the browser fetches: only running it can tell.
    return spec is None or spec.choices is None or file in spec.choices


def _kind(input_name: str) -> str:
    return next((kind for part, kind in KINDS.items() if part in input_name), "model")


def why_waiting(reasons_by_server: Sequence[Sequence[str]]) -> str | None:
    """Return in words why no server can run a job; None when one can.

    Args:
        reasons_by_server: For each server that is there, what :func:`refusals` said of the job's need.

    """
    if not reasons_by_server:
        return "no server is connected"
    if not all(reasons_by_server):
        return None
    counts = Counter(reason for reasons in reasons_by_server for reason in reasons)
    total = len(reasons_by_server)
    told = [f"no server has {what}" for what, count in counts.items() if count == total]
    told += [
        f"{count} {'lacks' if count == 1 else 'lack'} {what}"
        for what, count in counts.items()
        if count < total
    ]
    return "; ".join(told)


def models_of(requirement: Mapping[str, Any]) -> frozenset[str]:
    """Return the model files that ``requirement`` names."""
    return frozenset(
        file for inputs in requirement["models"].values() for files in inputs.values() for file in files
    )


def choose(
    heads: Sequence[Head], servers: Sequence[ServerView], models: Mapping[str, frozenset[str]]
) -> Choice | None:
    """Return which job should go where now; None when nothing fits.

    The first job goes first, to the server with the shortest queue, of those to one that has its models
    loaded. A job that waits a few turns behind it may overtake it for a server that would otherwise have to
    load other models; never across priorities.

    Args:
        heads: The next job of each need, the first to serve first.
        servers: Those with room.
        models: The model files of each need.

    """
    for head in heads:
        able = [server for server in servers if head.need in server.needs and server.url != head.avoids]
        if not able:
            continue
        wanted = models.get(head.need, frozenset())
        best = min(able, key=lambda server: (server.queue, not wanted <= server.loaded, server.url))
        if wanted <= best.loaded or best.queue:
            return Choice(head.need, best.url)
        return Choice(_at_home(head, heads, best, models) or head.need, best.url)
    return None


def _at_home(
    first: Head, heads: Sequence[Head], server: ServerView, models: Mapping[str, frozenset[str]]
) -> str | None:
    """A job nearly as far in front as ``first``, whose models ``server`` has loaded."""
    for head in heads:
        wanted = models.get(head.need, frozenset())
        if (
            head.priority == first.priority
            and head.round <= first.round + AFFINITY_ROUNDS
            and wanted
            and wanted <= server.loaded
            and head.need in server.needs
            and head.avoids != server.url
        ):
            return head.need
    return None
