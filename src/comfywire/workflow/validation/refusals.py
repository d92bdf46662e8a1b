"""Problems as ComfyUI tells them: ``error`` and ``node_errors`` (execution.py, validate_prompt, 0.33.0).

Editors mark the widgets that ``extra_info`` names, and programs read ``type``. What the server says of a
Python exception is said here as far as the prompt alone shows it; there is no traceback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from comfywire.workflow.validation.declared import Declared, declared_inputs
from comfywire.workflow.validation.problems import Effect, Problem

if TYPE_CHECKING:
    from comfywire.workflow.object_info import ObjectInfo

__all__ = ["error_of", "node_errors_of", "plain_error"]

LONGEST_LIST = 20
"""Choices that the server repeats (execution.py, validate_inputs)."""
OF_THE_PROMPT = ("invalid_prompt", "missing_node_type", "prompt_no_outputs")
KIND_OF_FILE = {"audio": "audio", "video": "video", "file": "video"}
"""What nodes call the file of an input in their complaint; all others say image."""
CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
Told = dict[str, Any]


def plain_error(kind: str, message: str, details: str = "", **extra_info: Any) -> Told:
    """Return an error in the server's form."""
    return {"type": kind, "message": message, "details": details, "extra_info": extra_info}


def error_of(problems: Sequence[Problem], node_errors: Mapping[str, Any], prompt: Mapping[str, Any]) -> Told:
    """Return ``error`` for a prompt that is refused for these problems; ``node_errors`` are theirs."""
    about = next((problem for problem in problems if problem.type in OF_THE_PROMPT), None)
    if about is not None and not node_errors:
        return _of_the_prompt(about, prompt)
    outputs = {output: None for problem in problems for output in problem.outputs}
    details = [
        f"{error['message']}: {error['details']}"
        for output in outputs
        for error in node_errors.get(output, {}).get("errors", ())
        if error["type"] != "dependency_cycle"
    ]
    return plain_error(
        "prompt_outputs_failed_validation", "Prompt outputs failed validation", "\n".join(details)
    )


def node_errors_of(
    problems: Iterable[Problem], prompt: Mapping[str, Any], object_info: ObjectInfo
) -> dict[str, Told]:
    """Return ``node_errors`` for the problems that the server would name: refused or dropped."""
    told: dict[str, Told] = {}
    for problem in problems:
        is_named = problem.effect in (Effect.REFUSED, Effect.DROPPED) and problem.is_reported
        if problem.node_id is None or not is_named or problem.type in OF_THE_PROMPT:
            continue
        entry = told.setdefault(
            problem.node_id,
            {"errors": [], "dependent_outputs": list(problem.outputs), "class_type": problem.class_type},
        )
        entry["errors"].append(_Node(problem, prompt, object_info).error())
    return told


def _of_the_prompt(problem: Problem, prompt: Mapping[str, Any]) -> Told:
    if problem.type == "prompt_no_outputs":
        return plain_error("prompt_no_outputs", "Prompt has no outputs")
    node_id, class_type = problem.node_id, problem.class_type
    where = f"Node ID '#{node_id}'"
    if problem.type == "invalid_prompt" and class_type is None:
        message = "Cannot execute because a node is missing the class_type property."
        return plain_error(problem.type, message, where)
    if problem.type == "invalid_prompt":
        return plain_error(problem.type, f"Cannot execute because node {class_type} does not exist.", where)
    title = problem.title or class_type
    cause = "not found. The custom node may not be installed."
    if "class_type" not in prompt.get(str(node_id), {}):
        cause = "has no class_type. The workflow may be corrupted or a custom node is missing."
    message = f"Node '{title or f'ID #{node_id}'}' {cause}"
    return plain_error(problem.type, message, where, node_id=node_id, class_type=class_type, node_title=title)


class _Node:
    """One problem at one node."""

    def __init__(self, problem: Problem, prompt: Mapping[str, Any], object_info: ObjectInfo) -> None:
        self._problem = problem
        self._prompt = prompt
        self._object_info = object_info
        self._name = problem.input or ""

    def error(self) -> Told:
        problem, name, value = self._problem, self._name, self._problem.value
        match problem.type:
            case "required_input_missing":
                return plain_error(problem.type, "Required input is missing", name, input_name=name)
            case "value_smaller_than_min" | "value_bigger_than_max":
                return self._beyond()
            case "value_not_in_list":
                return self._unlisted()
            case "invalid_input_type":
                return self._unreadable()
            case "bad_linked_input":
                message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
                return plain_error(problem.type, message, name, **self._about_input(), received_value=value)
            case "return_type_mismatch":
                return self._mismatch()
            case "custom_validation_failed":
                words = f"{name} - Invalid {KIND_OF_FILE.get(name, 'image')} file: {value}"
                return plain_error(problem.type, "Custom validation failed for node", words, input_name=name)
            case "exception_during_validation" | "exception_during_inner_validation":
                return self._raised()
            case _:
                return plain_error(problem.type, problem.sentence, name, input_name=problem.input)

    def _beyond(self) -> Told:
        is_small = self._problem.type == "value_smaller_than_min"
        word = "smaller than min" if is_small else "bigger than max"
        limit = self._declared().options.get("min" if is_small else "max")
        message = f"Value {self._problem.value} {word} of {limit}"
        about = self._about_input()
        return plain_error(
            self._problem.type, message, self._name, **about, received_value=self._problem.value
        )

    def _unlisted(self) -> Told:
        value, choices = self._problem.value, list(self._problem.allowed)
        is_long = len(choices) > LONGEST_LIST
        wrong = [each for each in value if each not in choices] if isinstance(value, list) else [value]
        shown = f"(list of length {len(choices)})" if is_long else str(choices)
        words = f"{self._name}: {', '.join(map(repr, wrong))} not in {shown}"
        about = {"input_name": self._name, "input_config": None} if is_long else self._about_input()
        return plain_error(self._problem.type, "Value not in list", words, **about, received_value=value)

    def _unreadable(self) -> Told:
        kind, value = str(self._declared().type), self._problem.value
        why = ""
        try:
            CONVERSIONS.get(kind, str)(value)
        except Exception as error:  # noqa: BLE001 - whatever int() raises is what the server says
            why = str(error)
        about = {**self._about_input(), "received_value": value, "exception_message": why}
        message = f"Failed to convert an input value to a {kind} value"
        return plain_error(self._problem.type, message, f"{self._name}, {value}, {why}", **about)

    def _mismatch(self) -> Told:
        link = self._value_of(self._problem.node_id, self._name)
        received = self._output_type(link)
        words = f"{self._name}, received_type({received}) mismatch input_type({self._declared().type})"
        return plain_error(
            self._problem.type,
            "Return type mismatch between linked nodes",
            words,
            **self._about_input(),
            received_type=received,
            linked_node=link,
        )

    def _raised(self) -> Told:
        kind, details = self._exception()
        if self._problem.type == "exception_during_validation":
            message = "Exception when validating node"
            return plain_error(self._problem.type, message, details, exception_type=kind, traceback=[])
        parent, name = self._parent()
        declared = self._declared(parent, name)
        return plain_error(
            self._problem.type,
            "Exception when validating inner node",
            details,
            input_name=name,
            input_config=[declared.type, dict(declared.options)],
            exception_message=details,
            exception_type=kind,
            traceback=[],
            linked_node=self._value_of(parent, name),
        )

    def _exception(self) -> tuple[str, str]:
        """Return the type and the words of what the server's own code raises here."""
        if self._problem.input is None:
            return "KeyError", "'inputs'"
        link = self._value_of(self._problem.node_id, self._name)
        if not isinstance(link, list) or len(link) != 2:
            return "TypeError", self._problem.sentence
        if not isinstance(link[0], str) or link[0] not in self._prompt:
            return "KeyError", repr(link[0])
        if isinstance(link[1], int):
            return "IndexError", "tuple index out of range"
        return "TypeError", f"tuple indices must be integers or slices, not {type(link[1]).__name__}"

    def _parent(self) -> tuple[str, str]:
        """Return a node and its input from which a link leads here: whose look at this node ended."""
        for node_id, node in self._prompt.items():
            for name, value in (node.get("inputs") or {}).items():
                if isinstance(value, list) and len(value) == 2 and value[0] == self._problem.node_id:
                    return node_id, name
        return str(self._problem.node_id), self._name

    def _about_input(self) -> Told:
        declared = self._declared()
        return {"input_name": self._name, "input_config": [declared.type, dict(declared.options)]}

    def _declared(self, node_id: str | None = None, name: str | None = None) -> Declared:
        entry = self._prompt.get(node_id or self._problem.node_id or "", {})
        node_type = self._object_info.get(str(entry.get("class_type")))
        inputs = entry.get("inputs")
        known = (
            {}
            if node_type is None
            else declared_inputs(node_type.raw, inputs if isinstance(inputs, dict) else {})
        )
        return known.get(name or self._name, Declared(name or self._name, "*"))

    def _value_of(self, node_id: str | None, name: str) -> Any:
        inputs = self._prompt.get(node_id or "", {}).get("inputs")
        return inputs.get(name) if isinstance(inputs, dict) else None

    def _output_type(self, link: Any) -> Any:
        origin = self._prompt.get(link[0], {}) if isinstance(link, list) and link else {}
        node_type = self._object_info.get(str(origin.get("class_type")))
        outputs = () if node_type is None else node_type.raw.get("output") or ()
        return outputs[link[1]] if isinstance(link[1], int) and link[1] < len(outputs) else "*"
