"""Checks of a submission that need no database, and the errors that refuse a submission."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from comfywire.errors import ComfywireError
from comfywire.service.database.storable import must_be_storable
from comfywire.service.fleet.verdicts import Verdict

__all__ = [
    "MOST_LABELS",
    "InvalidMetadata",
    "MissingAsset",
    "Refused",
    "RejectedWorkflow",
    "UiFormat",
    "UnstorableJob",
    "check_graph",
    "check_labels",
    "check_storable",
]

MOST_LABELS = 50
LONGEST_LABEL = 64
LONGEST_VALUE = 512
PROBLEMS_TOLD = 50
CHOICES_TOLD = 20


class RejectedWorkflow(ComfywireError):
    """No server that is known can run the graph.

    Attributes:
        details: ``node_errors`` by node id, each with ``field``, ``reason`` and ``message``.
        verdict: What the server that comes nearest would say; None where no server was asked.

    """

    code = "invalid_workflow"
    http_status = 422

    def __init__(
        self, message: str, node_errors: Mapping[str, Any] | None = None, verdict: Verdict | None = None
    ) -> None:
        self.verdict = verdict
        self.details = {"node_errors": dict(node_errors)} if node_errors else None
        super().__init__(message)

    @classmethod
    def of(cls, verdict: Verdict) -> RejectedWorkflow:
        """Return the error that names the problems for which a prompt is refused."""
        problems = verdict.refused
        node_errors: dict[str, list[dict[str, Any]]] = {}
        for problem in problems[:PROBLEMS_TOLD]:
            node_errors.setdefault(problem.node_id or "", []).append(
                {
                    "field": problem.input,
                    "reason": problem.type,
                    "message": problem.sentence,
                    "class_type": problem.class_type,
                    "allowed": list(problem.allowed[:CHOICES_TOLD]),
                    "nearest": list(problem.nearest),
                }
            )
        return cls("; ".join(problem.sentence for problem in problems[:3]), node_errors, verdict)


class UnstorableJob(ComfywireError):
    """A job has a text or a number that no database can keep."""

    code = "invalid_request"
    http_status = 422


class UiFormat(ComfywireError):
    """The workflow is the editor's document, not its export in API format."""

    code = "workflow_format_ui"
    http_status = 422

    def __init__(self) -> None:
        super().__init__(
            "this is the editor's own format: send what its menu 'Export (API)' writes, or what "
            "`comfywire convert` makes of it"
        )


class MissingAsset(ComfywireError):
    """The workflow reads an asset that does not exist, or that another key owns."""

    code = "missing_asset"
    http_status = 422

    def __init__(self, asset_id: UUID) -> None:
        self.details = {"asset_id": str(asset_id)}
        super().__init__(f"there is no asset {asset_id}: upload the file and name the id that is answered")


class InvalidMetadata(ComfywireError):
    """A label has a name or a value that cannot be kept."""

    code = "metadata_invalid"
    http_status = 422


class Refused(ComfywireError):
    """The operator's policy refuses the job, or could not be asked."""

    def __init__(self, reason: str, *, is_policy: bool) -> None:
        self.code = "refused_by_policy" if is_policy else "policy_unavailable"
        self.http_status = 403 if is_policy else 503
        self.retry_after = None if is_policy else 5.0
        super().__init__(f"the operator's policy refuses this job: {reason}" if is_policy else reason)


def check_graph(prompt: Mapping[str, Any], targets: Sequence[str] | None, max_nodes: int) -> None:
    """Check that a workflow is a graph in API format, without asking what its nodes are.

    Raises:
        UiFormat: It is the editor's document.
        RejectedWorkflow: It is empty, too large, misshapen, or lacks a target.

    """
    if isinstance(prompt.get("nodes"), list):
        raise UiFormat
    if not prompt:
        raise RejectedWorkflow("the workflow has no nodes: send a graph in API format")
    if len(prompt) > max_nodes:
        raise RejectedWorkflow(f"the workflow has {len(prompt)} nodes, and {max_nodes} are allowed")
    wrong = {node_id: why for node_id, node in prompt.items() if (why := _misshapen(node)) is not None}
    if wrong:
        first = next(iter(wrong))
        raise RejectedWorkflow(
            f"node {first} {wrong[first]}",
            {
                node_id: [{"field": None, "reason": "invalid_prompt", "message": f"node {node_id} {words}"}]
                for node_id, words in list(wrong.items())[:PROBLEMS_TOLD]
            },
        )
    for target in targets or ():
        if target not in prompt:
            raise RejectedWorkflow(f"the workflow has no node {target[:100]!r}, which 'targets' names")


def _misshapen(node: Any) -> str | None:
    if not isinstance(node, Mapping):
        return "is no object with class_type and inputs"
    if not isinstance(node.get("class_type"), str):
        return "has no class_type"
    return None if isinstance(node.get("inputs", {}), Mapping) else "has inputs that are no object"


def check_labels(labels: Mapping[str, str]) -> None:
    """Check that labels can be kept and found again.

    Raises:
        InvalidMetadata: There are too many, or one has no good name or is too long.

    """
    if len(labels) > MOST_LABELS:
        raise InvalidMetadata(f"metadata has {len(labels)} labels, and {MOST_LABELS} are allowed")
    for name, value in labels.items():
        if not 0 < len(name) <= LONGEST_LABEL or not name.isprintable():
            raise InvalidMetadata(
                f"the label {name[:80]!r} has no good name: use 1 to {LONGEST_LABEL} printable characters"
            )
        if len(value) > LONGEST_VALUE:
            raise InvalidMetadata(f"the label {name!r} is longer than {LONGEST_VALUE} characters: shorten it")


def check_storable(**said: Any) -> None:
    """Check what a job is kept with, whichever face it comes from.

    Raises:
        UnstorableJob: A text in it, or a number, cannot be kept.

    """
    for name, value in said.items():
        try:
            must_be_storable(value)
        except ValueError as error:
            raise UnstorableJob(f"{name} {error}: take it out") from None
