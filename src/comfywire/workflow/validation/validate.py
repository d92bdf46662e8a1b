"""Everything that ComfyUI's validator would say about a prompt, before it is sent.

The server checks the types of all nodes, then walks from each output node up its links (execution.py,
validate_prompt and validate_inputs; 0.3.64 and 0.33.0). An output whose nodes are all in order runs; the
others are dropped, and only when none is left is the prompt refused. Its walk goes in the order of a Python
set and ends at an exception; this one does not, so it also finds what the server would say the next time
(``is_reported`` is False for what stands beside an exception).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from comfywire.workflow.nearest import did_you_mean, nearest
from comfywire.workflow.node import name_node
from comfywire.workflow.profiles import profile_for
from comfywire.workflow.validation.input_rules import Mistake, rules_for
from comfywire.workflow.validation.node_rules import NodeCheck, NodeChecker, type_of
from comfywire.workflow.validation.problems import Effect, Problem

if TYPE_CHECKING:
    from comfywire.workflow.object_info import NodeType, ObjectInfo
    from comfywire.workflow.validation.input_rules import Rules

__all__ = ["validate"]

# Inputs that the editor sends and no server reads: its buttons and players (editor-format.md 3 and 4).
_EDITORS_OWN = frozenset(
    {"upload", "audioUI", "preview", "refresh", "image", "viewport_state", "control_after_generate"}
)
# Inputs that nodes of packs take though their definition lacks them (kwargs); a number may follow.
_PACKS_OWN = {
    "Power Lora Loader (rgthree)": {"lora_"},
    "TriggerWord Toggle (LoraManager)": {"toggle_trigger_words", "orinalMessage"},
}
_NUMBER = re.compile(r"\d+$")
LONGEST_CHAIN = 950
"""Nodes in a row, from the output on, that both versions certainly take.

The walks from a node to all before it are recursions, under Python's usual limit of 1000. The validator's
ends at 986 nodes on 0.3.64 and 985 on 0.33.0 (execution.py, validate_inputs). A little below that the prompt
is queued, and the next walk (caching.py, get_ordered_ancestry_internal) ends the server's worker, with every
prompt behind it: measured with 984 and 981 nodes.
"""
# Names of types are made of the same few words: `UltimateSDUpscale` is no misspelt `LatentUpscale`.
_LIKE_TYPES = 0.75


def validate(
    prompt: Mapping[str, Any],
    object_info: ObjectInfo,
    *,
    version: str | None = None,
    targets: Collection[str] | None = None,
    has_file: Callable[[str], bool] | None = None,
) -> list[Problem]:
    """Return what the server would refuse, drop or ignore, or fail at; an empty list if all would run.

    Args:
        prompt: The API-format graph. It is not changed.
        object_info: The server's catalogue.
        version: The server's (``comfyui_version`` of /system_stats); None tells it by ``object_info``.
        targets: The output nodes to run (``partial_execution_targets``); None for all.
        has_file: Says whether the server has the input file that goes by a name such as ``sub/a.png`` or
            ``a.png [output]``; without it, names are believed that no list could have.

    """
    rules = rules_for(version, is_modern=profile_for(object_info=object_info.raw).is_modern)
    misshapen = list(_misshapen(prompt))
    if misshapen:
        return misshapen
    unknown = list(_unknown_types(prompt, object_info, rules))
    outputs = [
        node_id
        for node_id, entry in prompt.items()
        if (node_type := type_of(entry, object_info)) is not None
        and node_type.is_output_node
        and (targets is None or node_id in targets)
    ]
    if not outputs and not unknown:
        return [_no_outputs(prompt, object_info)]
    walk = _Walk(
        prompt, NodeChecker(prompt, object_info, rules=rules, has_file=has_file), rules=rules, outputs=outputs
    )
    problems = walk.problems()
    if unknown:  # then the server looks no further
        problems = [replace(problem, effect=Effect.REFUSED, is_reported=False) for problem in problems]
    return [*unknown, *problems, *_ignored(prompt, object_info, walk)]


def _misshapen(prompt: Mapping[str, Any]) -> Iterator[Problem]:
    for node_id, entry in prompt.items():
        if not isinstance(entry, dict):
            kind = type(entry).__name__
            words = f"node {node_id} is a {kind}, not an object with class_type and inputs; remove it"
            yield Problem("invalid_prompt", words, node_id=node_id, value=entry)


def _unknown_types(prompt: Mapping[str, Any], object_info: ObjectInfo, rules: Rules) -> Iterator[Problem]:
    is_reported = True  # the server names the first, and looks no further
    for node_id, entry in prompt.items():
        class_type = entry.get("class_type")
        if isinstance(class_type, str) and class_type in object_info:
            continue
        name = name_node(node_id, class_type, _title(entry))
        near = tuple(nearest(str(class_type), object_info, likeness=_LIKE_TYPES))
        hint = (
            did_you_mean(str(class_type), object_info, likeness=_LIKE_TYPES)
            or "; install the node pack that has it, or remove the node"
        )
        words = f"{name}: this type of node is not installed{hint}"
        if class_type is None:
            words = f"{name}: it has no class_type; the file may be damaged"
        yield Problem(
            rules.missing_type, words, node_id=node_id, class_type=class_type, title=_title(entry),
            nearest=near, is_reported=is_reported,
        )  # fmt: skip
        is_reported = False


def _no_outputs(prompt: Mapping[str, Any], object_info: ObjectInfo) -> Problem:
    kinds = [name for name in ("SaveImage", "PreviewImage") if name in object_info]
    hint = f"; add one, such as {' or '.join(kinds)}" if kinds else "; add one"
    what = "no node that saves or shows anything" if prompt else "no nodes"
    return Problem("prompt_no_outputs", f"the workflow has {what}, so there is nothing to run{hint}")


class _Walk:
    """The walk from the outputs up the links."""

    def __init__(
        self, prompt: Mapping[str, Any], checker: NodeChecker, *, rules: Rules, outputs: list[str]
    ) -> None:
        self.prompt = prompt
        self.checker = checker
        self.rules = rules
        self.outputs = outputs
        self.checks: dict[str, NodeCheck] = {}
        self._reached: dict[str, set[str]] = {}  # output -> the nodes it depends on, itself included
        for output in self.outputs:
            self._reached[output] = self._reach(output)

    def _reach(self, output: str) -> set[str]:
        reached, todo = {output}, [output]
        while todo:
            node_id = todo.pop()
            if node_id not in self.checks:
                self.checks[node_id] = self.checker.check(node_id)
            new = [origin for _, origin in self.checks[node_id].links if origin not in reached]
            reached.update(new)
            todo += new
        return reached

    def problems(self) -> list[Problem]:
        """Return the problems of every node that an output depends on, in the prompt's order."""
        cycles = self._cycles()
        found = [
            problem
            for node_id in self.prompt
            if node_id in self.checks
            for problem in self._problems_of(node_id, cycles.get(node_id))
        ]
        found += [] if cycles else list(self._too_deep())
        invalid = [problem for problem in found if problem.effect is not Effect.FAILS]
        bad = {output for problem in invalid for output in problem.outputs}
        effect = Effect.DROPPED if {*self.outputs} - bad else Effect.REFUSED
        return [
            problem if problem.effect is Effect.FAILS else replace(problem, effect=effect)
            for problem in found
        ]

    def _problems_of(self, node_id: str, cycle: list[str] | None) -> Iterator[Problem]:
        check = self.checks[node_id]
        if cycle is not None:
            way = " -> ".join([*cycle, cycle[0]])
            words = f"it depends on itself: {way}; take one of these links away"
            mistake = Mistake("dependency_cycle", None, words)
            yield self._problem(node_id, mistake, is_reported=self.rules.names_cycles)
        for at, raised in enumerate(check.raised):
            kind = (
                "exception_during_validation"
                if node_id in self.outputs
                else "exception_during_inner_validation"
            )
            yield self._problem(node_id, replace(raised, type=kind), is_reported=at == 0)
        for mistake in check.mistakes:
            yield self._problem(node_id, mistake, is_reported=not check.raised)
        for mistake in check.failing:
            yield replace(self._problem(node_id, mistake, is_reported=False), effect=Effect.FAILS)

    def _too_deep(self) -> Iterator[Problem]:
        """Yield the outputs that hang on more nodes in a row than the server's recursion goes through."""
        for output in self.outputs if len(self.checks) > LONGEST_CHAIN else ():
            length = self._longest_chain(output)
            if length > LONGEST_CHAIN:
                words = (
                    f"it hangs on a chain of {length} linked nodes, and the server goes through some "
                    f"{LONGEST_CHAIN}: cut the workflow in two"
                )
                mistake = Mistake("exception_during_inner_validation", None, words)
                # The server names the node at which it gave up.
                problem = self._problem(output, mistake, is_reported=False)
                yield replace(problem, outputs=(output,))

    def _longest_chain(self, output: str) -> int:
        """Return how deep the server's walk from an output is: each node once, by the first way to it."""
        deepest, seen = 0, set[str]()
        todo = [(output, 1)]
        while todo:
            node_id, depth = todo.pop()
            if node_id not in seen:
                seen.add(node_id)
                deepest = max(deepest, depth)
                todo += [(origin, depth + 1) for _, origin in reversed(self.checks[node_id].links)]
        return deepest

    def _problem(self, node_id: str, mistake: Mistake, *, is_reported: bool) -> Problem:
        entry = self.prompt[node_id]
        name = name_node(node_id, entry["class_type"], _title(entry))
        about = f"{mistake.input!r} " if mistake.input else ""
        return Problem(
            type=mistake.type,
            sentence=f"{name}: {about}{mistake.words}",
            node_id=node_id,
            class_type=entry["class_type"],
            title=_title(entry),
            input=mistake.input,
            value=mistake.value,
            allowed=mistake.allowed,
            nearest=mistake.nearest,
            outputs=tuple(output for output in self.outputs if node_id in self._reached[output]),
            is_reported=is_reported,
        )

    def _cycles(self) -> dict[str, list[str]]:
        """Return for each node that depends on itself the way round, from itself."""
        found: dict[str, list[str]] = {}
        settled: set[str] = set()
        for output in self.outputs:
            for way in self._ways_round(output, settled):
                for at, node_id in enumerate(way):
                    found.setdefault(node_id, way[at:] + way[:at])
        return found

    def _ways_round(self, start: str, settled: set[str]) -> Iterator[list[str]]:
        # Depth first without recursion: a chain of a thousand nodes is no problem of ours.
        path: dict[str, None] = {}
        todo: list[tuple[str, bool]] = [(start, False)]
        while todo:
            node_id, is_leaving = todo.pop()
            if is_leaving:
                settled.add(path.popitem()[0])
            elif node_id in path:
                way = list(path)
                yield way[way.index(node_id) :]
            elif node_id not in settled:
                path[node_id] = None
                todo.append((node_id, True))
                todo += [(origin, False) for _, origin in reversed(self.checks[node_id].links)]


def _ignored(prompt: Mapping[str, Any], object_info: ObjectInfo, walk: _Walk) -> Iterator[Problem]:
    for node_id, entry in prompt.items():
        node_type = type_of(entry, object_info)
        if node_type is None:
            continue
        title = _title(entry)
        name = name_node(node_id, node_type.class_type, title)
        place = Problem(
            "", "", node_id, node_type.class_type, title, effect=Effect.IGNORED, is_reported=False
        )
        if node_id not in walk.checks:
            words = f"{name}: nothing that is saved or shown depends on it, so it does not run"
            yield replace(place, type="unused_node", sentence=words)
            continue
        for input_name, value in _unknown_inputs(entry.get("inputs"), node_type):
            words = f"{name}: it has no input {input_name!r}{did_you_mean(input_name, node_type.inputs)}"
            near = tuple(nearest(input_name, node_type.inputs))
            yield replace(
                place, type="unknown_input", sentence=words, input=input_name, value=value, nearest=near
            )


def _unknown_inputs(inputs: Any, node_type: NodeType) -> Iterator[tuple[str, Any]]:
    formats = (made.formats.values() for made in node_type.inputs.values())
    brought = {made.name for chosen in formats for listed in chosen for made in listed}
    taken = {*node_type.inputs, *brought, *_EDITORS_OWN, *_PACKS_OWN.get(node_type.class_type, ())}
    for name, value in inputs.items() if isinstance(inputs, dict) else ():
        if not {name, name.partition(".")[0], _NUMBER.sub("", name)} & taken:
            yield name, value


def _title(entry: Mapping[str, Any]) -> str | None:
    meta = entry.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    return title if isinstance(title, str) else None
