"""The server's ``error`` and ``node_errors`` in words (execution.py, ``validate_prompt``, 0.3.64)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from comfywire.workflow.validation.input_rules import SEEDS

__all__ = ["dropped", "sentences", "types_wanted", "with_choices"]

NAME_A_VALUE = ("value_not_in_list", "value_smaller_than_min", "value_bigger_than_max", "invalid_input_type")
"""Mistakes that are told with the value, which node packs and other servers may leave out."""
SHOWN_CHOICES = 6
# What LoadImage and its like say, after the input's name (nodes.py, LoadImage.VALIDATE_INPUTS, 0.3.64).
MISSING_FILE = re.compile(r"Invalid \w+ file: (?P<name>.*)", re.DOTALL)


def sentences(
    error: Mapping[str, Any], node_errors: Mapping[str, Any], graph: Mapping[str, Any]
) -> list[str]:
    """Return one sentence for each thing that is wrong, naming node, class_type and input.

    ``error`` says only that something is wrong where ``node_errors`` say what; alone, it is all there is.
    """
    found = list(_of_nodes(node_errors, graph))
    if not found and error:
        found.append(_of_prompt(error))
    return found


def types_wanted(node_errors: Mapping[str, Any]) -> set[str]:
    """The class_types whose choices the server left out, being over 20 (execution.py, validate_inputs)."""
    return {
        str(entry.get("class_type"))
        for entry in node_errors.values()
        if isinstance(entry, dict)
        for error in entry.get("errors") or ()
        if _lacks_choices(error)
    }


def with_choices(node_errors: Mapping[str, Any], types: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``node_errors`` with the choices that were left out, as far as ``types`` has them."""
    return {
        node_id: {**entry, "errors": [_completed(error, entry, types) for error in entry.get("errors") or ()]}
        if isinstance(entry, dict)
        else entry
        for node_id, entry in node_errors.items()
    }


def _lacks_choices(error: object) -> bool:
    if not isinstance(error, dict):
        return False
    if error.get("type") != "value_not_in_list" and _missing_file(error) is None:
        return False
    extra = error.get("extra_info")
    return isinstance(extra, dict) and extra.get("input_config") is None


def _completed(error: Any, entry: Mapping[str, Any], types: Mapping[str, Any]) -> Any:
    if not _lacks_choices(error):
        return error
    extra = error["extra_info"]
    sections = (types.get(str(entry.get("class_type"))) or {}).get("input") or {}
    for section in ("required", "optional"):
        config = (sections.get(section) or {}).get(extra.get("input_name"))
        if config is not None:
            return {**error, "extra_info": {**extra, "input_config": config}}
    return error


def _of_prompt(error: Mapping[str, Any]) -> str:
    message = str(error.get("message") or error.get("type") or "the prompt is invalid")
    details = str(error.get("details") or "")
    if details and details not in message:
        message = f"{message} ({details})"
    if error.get("type") == "prompt_outputs_failed_validation" and not details:
        # Static cycles come so: the validator's recursion ends in an error that names nothing.
        message += (
            "; no node is named, which is how the server reports nodes that feed each other in a circle"
        )
    return message


def _of_nodes(node_errors: Mapping[str, Any], graph: Mapping[str, Any]) -> Iterator[str]:
    for node_id, entry in node_errors.items():
        if not isinstance(entry, dict):
            continue
        class_type = entry.get("class_type") or _class_type(node_id, graph)
        for error in entry.get("errors") or ():
            if isinstance(error, dict):
                yield f"node {node_id} ({class_type}): {_of_link(error, node_id, graph) or _of_input(error)}"


def dropped(node_errors: Mapping[str, Any], graph: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each error of an accepted prompt, naming the outputs that it cost."""
    return [
        f"{outputs} dropped: {sentence}" if outputs else sentence
        for node_id, entry in node_errors.items()
        for outputs in [_dependent_outputs(node_id, entry, graph)]
        for sentence in _of_nodes({node_id: entry}, graph)
    ]


def _dependent_outputs(node_id: str, entry: object, graph: Mapping[str, Any]) -> str:
    """The server also lists each output that it refused after this node (execution.py, validate_prompt)."""
    named = entry.get("dependent_outputs") if isinstance(entry, dict) else None
    named = [str(output) for output in named or ()]
    outputs = [output for output in named if node_id in _needed(output, graph)] or named
    words = ", ".join(f"{output} ({_class_type(output, graph)})" for output in outputs)
    return words and (f"output nodes {words} were" if len(outputs) > 1 else f"output node {words} was")


def _needed(node_id: str, graph: Mapping[str, Any]) -> set[str]:
    """The node, and everything upstream of it."""
    found: set[str] = set()
    ahead = [node_id]
    while ahead:
        if (node_id := ahead.pop()) not in found:
            found.add(node_id)
            ahead += [source for _, source in _links(node_id, graph)]
    return found


def _links(node_id: str, graph: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The inputs of a node that are links, and the nodes that these lead to."""
    node = graph.get(node_id)
    inputs = node.get("inputs") if isinstance(node, dict) else None
    inputs = inputs if isinstance(inputs, dict) else {}
    return [
        (name, value[0])
        for name, value in inputs.items()
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
    ]


def _of_link(error: Mapping[str, Any], node_id: str, graph: Mapping[str, Any]) -> str | None:
    """A link to a node that is not there is told as a KeyError of its id (execution.py, validate_inputs)."""
    for name, source in _links(node_id, graph):
        if source not in graph and error.get("details") == repr(source):
            return f"input {name!r} is linked to node {source!r}, which is not there"
    return None


def _class_type(node_id: object, graph: Mapping[str, Any]) -> object:
    node = graph.get(str(node_id))
    return node.get("class_type") if isinstance(node, dict) else None


def _missing_file(error: Mapping[str, Any]) -> str | None:
    if error.get("type") != "custom_validation_failed":
        return None
    found = MISSING_FILE.search(str(error.get("details")))
    return found["name"] if found else None


def _of_file(extra: Mapping[str, Any], missing: str) -> str:
    """A file of the caller's would have been uploaded, so what was typed leads nowhere, here or there."""
    near = _nearest(extra, missing) or _nearest(extra, missing.replace("\\", "/").rpartition("/")[2])
    hint = f"did you mean {near!r}?" if near else "check the path, or upload the file first"
    return f"{extra.get('input_name')} {missing!r} is not on the server; {hint}"


def _of_input(error: Mapping[str, Any]) -> str:
    extra = error.get("extra_info")
    extra = extra if isinstance(extra, dict) else {}
    missing = _missing_file(error)
    if missing is not None:
        return _of_file(extra, missing)
    name, value = extra.get("input_name"), extra.get("received_value")
    if "received_value" not in extra and error.get("type") in NAME_A_VALUE:
        return _as_said(error)
    match error.get("type"):
        case "required_input_missing":
            return f"input {name!r} is missing"
        case "value_not_in_list":
            return f"{name} {value!r} is not offered{_choices(extra, value)}"
        case "value_smaller_than_min":
            also = '; "random" draws one' if name in SEEDS and value == -1 else ""
            return f"{name} {value!r} is below the minimum {_limit(extra, 'min')}{also}"
        case "value_bigger_than_max":
            return f"{name} {value!r} is above the maximum {_limit(extra, 'max')}"
        case "invalid_input_type":
            return f"{name} {value!r} is not of type {_type(extra)}"
        case "return_type_mismatch":
            received = extra.get("received_type")
            return f"input {name!r} takes {_type(extra)}, but is linked to an output of type {received}"
        case "bad_linked_input":
            return f"input {name!r} is not a link [node_id, slot]: {value!r}"
        case _:
            return _as_said(error)


def _as_said(error: Mapping[str, Any]) -> str:
    """In the server's own words."""
    words = [str(error.get("message") or error.get("type") or "invalid"), str(error.get("details") or "")]
    return ": ".join(word for word in words if word)


def _config(extra: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    config = extra.get("input_config")
    if not isinstance(config, list) or not config:
        return None, {}
    options = config[1] if len(config) > 1 and isinstance(config[1], dict) else {}
    return config[0], options


def _type(extra: Mapping[str, Any]) -> str:
    kind, _ = _config(extra)
    return kind if isinstance(kind, str) else "one of a list"


def _limit(extra: Mapping[str, Any], which: str) -> str:
    return str(_config(extra)[1].get(which, "that is allowed"))


def _offered(extra: Mapping[str, Any]) -> list[Any] | None:
    """What may be chosen; None where the server left it out, as it does with long lists."""
    kind, options = _config(extra)
    choices = kind if isinstance(kind, list) else options.get("options")
    return choices if isinstance(choices, list) else None


def _nearest(extra: Mapping[str, Any], value: object) -> str | None:
    written = [str(choice) for choice in _offered(extra) or ()]
    return next(iter(difflib.get_close_matches(str(value), written, n=1)), None)


def _choices(extra: Mapping[str, Any], value: object) -> str:
    choices = _offered(extra)
    if choices is None:
        return ""
    near = _nearest(extra, value)
    if near is not None:
        return f"; did you mean {near!r}?"
    if not choices:
        return "; the server offers nothing here"
    shown = ", ".join(str(choice) for choice in choices[:SHOWN_CHOICES])
    return f"; the server offers {shown}" + (", …" if len(choices) > SHOWN_CHOICES else "")
