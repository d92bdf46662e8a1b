"""Looking for mistakes before a workflow is sent, by what its server says now."""

from __future__ import annotations

from collections.abc import Sequence

from comfywire.errors import InvalidWorkflow
from comfywire.workflow import Effect, Problem, Workflow

from .given import ServerLike
from .uploads import Upload

__all__ = ["check"]


async def check(server: ServerLike, workflow: Workflow, targets: Sequence[str] | None) -> None:
    """Raise what the server would refuse, what it would silently drop, and what would fail.

    Raises:
        InvalidWorkflow: With every problem in words.

    """
    was_empty = server.catalogue.is_empty
    problems = await _problems(server, workflow, targets, anew=False)
    if problems and not was_empty:  # what it lists may have come since it was asked
        problems = await _problems(server, workflow, targets, anew=True)
    if problems:
        raise InvalidWorkflow(problems)


async def _problems(
    server: ServerLike, workflow: Workflow, targets: Sequence[str] | None, *, anew: bool
) -> list[Problem]:
    types = await server.catalogue.of({node.class_type for node in workflow if node.class_type}, anew=anew)
    files: dict[str, bool] = {}
    workflow.validate(types, targets=targets, has_file=lambda name: files.setdefault(name, True))
    for name in files:
        # GET /view refuses names with two dots, which nodes load (server.py, view_image, 0.3.64).
        files[name] = ".." in name or await server.uploads.has(Upload.named(name))
    return [
        problem
        for problem in workflow.validate(types, targets=targets, has_file=files.__getitem__)
        if problem.effect is not Effect.IGNORED
    ]
