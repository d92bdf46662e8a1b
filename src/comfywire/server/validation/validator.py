"""What POST /prompt refuses, in the validator's own words (execution.py, validate_prompt, 0.3.64)."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from comfywire.server.execution.dynamic_inputs import class_inputs
from comfywire.server.execution.node_run import qualified_name
from comfywire.server.graph import ClassInputs, NodeClass, input_info
from comfywire.server.validation.inputs import InputError, check_value, convert, is_compatible
from comfywire.server.validation.own import OwnValidation

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["Validation", "validate_prompt"]


@dataclass(frozen=True, slots=True)
class Validation:
    """The validator's answer.

    Attributes:
        error: Why nothing is queued, or None.
        outputs: The output nodes that passed.
        node_errors: The errors by node, also of outputs that are dropped while others pass.

    """

    error: dict[str, Any] | None
    outputs: list[str] = field(default_factory=list)
    node_errors: dict[str, Any] = field(default_factory=dict)


def refusal(
    kind: str, message: str, details: str = "", extra_info: dict[str, Any] | None = None
) -> Validation:
    """Return a refusal that names no node."""
    error = {"type": kind, "message": message, "details": details, "extra_info": extra_info or {}}
    return Validation(error)


async def validate_prompt(
    prompt: dict[str, Any],
    classes: Mapping[str, NodeClass],
    *,
    targets: Collection[str] | None = None,
    is_new: bool = False,
) -> Validation:
    """Validate a prompt, converting its values in place as ComfyUI does.

    Args:
        prompt: The graph in API format.
        classes: The node classes of this server.
        targets: ``partial_execution_targets``: the only output nodes that count, or None for all.
        is_new: Answer as 0.33.0 does.

    """
    if is_new:
        _walk(prompt)
    outputs: list[str] = []
    for node_id in prompt:
        unknown = _unknown_node(node_id, prompt, classes, is_new=is_new)
        if unknown is not None:
            return unknown
        if getattr(classes[prompt[node_id]["class_type"]], "OUTPUT_NODE", False) is True and (
            targets is None or node_id in targets
        ):
            outputs.append(node_id)
    if not outputs:
        return refusal("prompt_no_outputs", "Prompt has no outputs")
    return await _Validator(prompt, classes, is_new=is_new).outputs(outputs)


def _unknown_node(
    node_id: str, prompt: dict[str, Any], classes: Mapping[str, NodeClass], *, is_new: bool
) -> Validation | None:
    node = prompt[node_id]
    if "class_type" in node and node["class_type"] in classes:
        return None
    if is_new:
        return _missing_type(node_id, node)
    if "class_type" not in node:
        message = "Cannot execute because a node is missing the class_type property."
    else:
        message = f"Cannot execute because node {node['class_type']} does not exist."
    return refusal("invalid_prompt", message, f"Node ID '#{node_id}'")


def _walk(prompt: dict[str, Any]) -> None:
    """Fail as a newer server's search for replaced classes does: inputs that are no object are a 500."""
    for node in prompt.values():
        if "class_type" in node and "inputs" in node:
            node["inputs"].items()


def _missing_type(node_id: str, node: dict[str, Any]) -> Validation:
    """Refuse as newer servers do, naming node, type and title."""
    class_type = node.get("class_type")
    title = node.get("_meta", {}).get("title", class_type)
    extra = {"node_id": node_id, "class_type": class_type, "node_title": title}
    if "class_type" not in node:
        shown = title or f"ID #{node_id}"
        cause = "has no class_type. The workflow may be corrupted or a custom node is missing."
    else:
        shown = title
        cause = "not found. The custom node may not be installed."
    return refusal("missing_node_type", f"Node '{shown}' {cause}", f"Node ID '#{node_id}'", extra)


class _Validator:
    def __init__(self, prompt: dict[str, Any], classes: Mapping[str, NodeClass], *, is_new: bool) -> None:
        self._is_new = is_new
        self._visiting: list[str] = []
        self._prompt = prompt
        self._classes = classes
        # node_id -> (is valid, its own errors); a node below a wrong one is invalid with no errors
        self._seen: dict[str, tuple[bool, list[InputError]]] = {}

    async def outputs(self, outputs: list[str]) -> Validation:
        good: list[str] = []
        node_errors: dict[str, Any] = {}
        details: list[str] = []
        for output in outputs:
            is_valid, reasons = await self._output(output)
            if is_valid:
                good.append(output)
                continue
            # Errors of nodes further up stand in node_errors only.
            details += [f"{reason['message']}: {reason['details']}" for reason in reasons]
            self._collect(output, node_errors)
        if good:
            return Validation(None, good, node_errors)
        failed = refusal(
            "prompt_outputs_failed_validation", "Prompt outputs failed validation", "\n".join(details)
        )
        return Validation(failed.error, [], node_errors)

    async def _output(self, output: str) -> tuple[bool, list[InputError]]:
        try:
            return await self._node(output)
        except Exception as error:  # noqa: BLE001 - ComfyUI reports whatever was raised as an error of the node
            reason = InputError(
                type="exception_during_validation",
                message="Exception when validating node",
                details=str(error),
                extra_info={
                    "exception_type": qualified_name(type(error)),
                    "traceback": traceback.format_tb(error.__traceback__),
                },
            )
            self._seen[output] = (False, [reason])
            return self._seen[output]

    def _collect(self, output: str, node_errors: dict[str, Any]) -> None:
        for node_id, (is_valid, reasons) in self._seen.items():
            if is_valid or not reasons:
                continue
            class_type = self._prompt[node_id]["class_type"]
            entry = node_errors.setdefault(
                node_id, {"errors": reasons, "dependent_outputs": [], "class_type": class_type}
            )
            entry["dependent_outputs"].append(output)

    async def _node(self, node_id: str) -> tuple[bool, list[InputError]]:
        """Check a node and what it needs; one frame a level, so that graphs may be as deep as ComfyUI's."""
        if node_id in self._seen:
            return self._seen[node_id]
        if self._is_new and node_id in self._visiting:
            return self._cycle(node_id)
        inputs = self._prompt[node_id]["inputs"]
        node_class = self._classes[self._prompt[node_id]["class_type"]]
        known = class_inputs(node_class, inputs)
        own = OwnValidation(node_class)
        errors: list[InputError] = []
        received: dict[str, Any] = {}
        is_valid = True
        for name in [*known.get("required", {}), *known.get("optional", {})]:
            error = self._input(name, inputs, known, own=own, received=received)
            if error is not None:
                errors.append(error)
            elif isinstance(inputs.get(name), list) and name in received:
                self._visiting.append(node_id)
                try:
                    is_valid = (await self._node(inputs[name][0]))[0] and is_valid
                except Exception as raised:  # noqa: BLE001 - reported as an error of the node further up
                    self._blame(raised, name, inputs[name], known)
                    is_valid = False
                finally:
                    self._visiting.pop()
        errors += await own.errors(node_id, inputs, received)
        # A cycle that was found further up has left its error here already.
        before = self._seen.get(node_id, (True, []))[1] if self._is_new else []
        errors = [*before, *(error for error in errors if error not in before)]
        self._seen[node_id] = (is_valid and not errors, errors)
        return self._seen[node_id]

    def _input(
        self,
        name: str,
        inputs: dict[str, Any],
        known: ClassInputs,
        *,
        own: OwnValidation,
        received: dict[str, Any],
    ) -> InputError | None:
        """Check one input, but not where it comes from; the type of a link is noted in ``received``."""
        kind, category, options = input_info(known, name)
        config = (kind, options)
        if name not in inputs:
            if category != "required":
                return None
            return InputError.of("required_input_missing", "Required input is missing", name, input_name=name)
        if isinstance(inputs[name], list):
            return self._link(name, inputs[name], config, own=own, received=received)
        error = convert(inputs, name, config)
        if error is None and not own.covers(name):
            return check_value(name, inputs[name], config, is_new=self._is_new)
        return error

    def _cycle(self, node_id: str) -> tuple[bool, list[InputError]]:
        """Blame every node of a cycle; 0.3.64 recurses until Python gives up, and names none."""
        path = [*self._visiting[self._visiting.index(node_id) :], node_id]
        nodes = list(dict.fromkeys(path))
        shown = " -> ".join(f"{each} ({self._prompt[each]['class_type']})" for each in path)
        for each in nodes:
            error = InputError.of(
                "dependency_cycle", "Dependency cycle detected", shown, node_id=each, cycle_nodes=nodes
            )
            self._seen[each] = (False, [error])
        return self._seen[node_id]

    def _link(
        self,
        name: str,
        link: list[Any],
        config: tuple[Any, Any],
        *,
        own: OwnValidation,
        received: dict[str, Any],
    ) -> InputError | None:
        """Check a link's form and type; one that leads nowhere raises, as in ComfyUI."""
        if len(link) != 2:
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            return InputError.of(
                "bad_linked_input", message, name, input_name=name, input_config=config, received_value=link
            )
        source, slot = link
        received_type = self._classes[self._prompt[source]["class_type"]].RETURN_TYPES[slot]
        received[name] = received_type
        if own.takes_input_types or is_compatible(received_type, config[0]):
            return None
        return InputError.of(
            "return_type_mismatch",
            "Return type mismatch between linked nodes",
            f"{name}, received_type({received_type}) mismatch input_type({config[0]})",
            input_name=name,
            input_config=config,
            received_type=received_type,
            linked_node=link,
        )

    def _blame(self, raised: Exception, name: str, link: list[Any], known: ClassInputs) -> None:
        """Note what was raised below a link as an error of the node that it leads to."""
        kind, _, options = input_info(known, name)
        reason = InputError.of(
            "exception_during_inner_validation",
            "Exception when validating inner node",
            str(raised),
            input_name=name,
            input_config=(kind, options),
            exception_message=str(raised),
            exception_type=qualified_name(type(raised)),
            traceback=traceback.format_tb(raised.__traceback__),
            linked_node=link,
        )
        self._seen[link[0]] = (False, [reason])
