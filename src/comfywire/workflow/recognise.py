"""What kind of JSON this is: a prompt, the editor's document, a wrapper around one, or something else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from comfywire.errors import UnreadableWorkflow

__all__ = ["Found", "parse_json", "recognise"]

# Real documents nest about twenty levels deep; Python's own limits are in the hundreds, and differ between
# parsing, copying and writing, so what passes here passes everywhere.
_DEEPEST = 100
# Python makes an object of each value: "[[],[],[]," takes twenty times its own size. Real documents have some
# fifty values for a node.
_MOST_VALUES = 2_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """A prompt in API format, the editor's document, or both (they belong together)."""

    prompt: dict[str, dict[str, Any]] | None = None
    document: dict[str, Any] | None = None


def parse_json(text: str | bytes, *, where: str) -> Any:
    """Return the JSON value that ``text`` spells; bare NaN is let pass, as ComfyUI writes it.

    Raises:
        UnreadableWorkflow: It is not JSON, is nested beyond reason, or has millions of values; ``where``
            names it in the message.

    """
    if isinstance(text, str):
        count = sum(map(text.count, (",", "[", "{")))
    else:
        count = sum(map(text.count, (b",", b"[", b"{")))
    if count > _MOST_VALUES:
        raise UnreadableWorkflow(f"{where} is JSON with more values than any workflow: over {_MOST_VALUES:,}")
    try:
        value = json.loads(text)
    except RecursionError:
        raise UnreadableWorkflow(f"{where} is JSON nested too deeply to be a workflow") from None
    except UnicodeDecodeError as error:
        raise UnreadableWorkflow(f"{where} looks like JSON, but is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise UnreadableWorkflow(
            f"{where} looks like JSON, but breaks off at {place}: {error.msg}"
        ) from error
    except ValueError as error:  # a number with thousands of digits
        raise UnreadableWorkflow(f"{where} is JSON with a value that cannot be read: {error}") from error
    if _is_too_deep(value):
        raise UnreadableWorkflow(f"{where} is JSON nested too deeply to be a workflow")
    return value


def recognise(value: Any, *, where: str) -> Found:
    """Return the prompt or the document that ``value`` is, or wraps.

    Wrappers are the body of a POST /prompt, what the editor's ``graphToPrompt`` returns
    (``{"output", "workflow"}``), and a file's metadata (``{"prompt", "workflow"}``, which may be JSON texts).

    Raises:
        UnreadableWorkflow: It is none of these; the message says what it looks like instead.

    """
    if _is_too_deep(value):
        raise UnreadableWorkflow(f"{where} is nested too deeply to be a workflow")
    if not isinstance(value, dict):
        raise UnreadableWorkflow(f"{where} holds {_describe(value)}, not a workflow; {_NEXT_STEP}")
    found = _recognise_plain(value) or _unwrap(value, where=where)
    if found is None:
        raise UnreadableWorkflow(f"{where} holds {_describe(value)}, not a workflow; {_NEXT_STEP}")
    return found


_NEXT_STEP = "export one from the editor: Workflow > Export, or Export (API)"


def _recognise_plain(value: dict[Any, Any]) -> Found | None:
    if isinstance(value.get("nodes"), list):
        return Found(document=value)
    entries = list(value.values())
    if not all(isinstance(entry, dict) for entry in entries):
        return None
    if any(isinstance(entry.get("class_type"), str) for entry in entries):
        return Found(prompt={str(node_id): entry for node_id, entry in value.items()})
    return None


def _unwrap(value: dict[Any, Any], *, where: str) -> Found | None:
    extra = value.get("extra_data")
    pnginfo = extra.get("extra_pnginfo") if isinstance(extra, dict) else None
    carriers = [value, pnginfo if isinstance(pnginfo, dict) else {}]
    inner = [
        _recognise_plain(opened)
        for carrier in carriers
        for key in ("prompt", "output", "workflow")
        if isinstance(opened := _open(carrier.get(key), where=f"'{key}' in {where}"), dict)
    ]
    prompt = next((found.prompt for found in inner if found and found.prompt), None)
    document = next((found.document for found in inner if found and found.document), None)
    return Found(prompt, document) if prompt or document else None


def _open(value: Any, *, where: str) -> Any:
    is_json = isinstance(value, str) and value.lstrip().startswith("{")
    return parse_json(value, where=where) if is_json else value


def _describe(value: Any) -> str:
    match value:
        case {} if not value:
            return "an empty object"
        case dict() if _all_have(value, "input", "output", "category"):
            return "a server's /object_info"
        case dict() if _all_have(value, "prompt", "outputs"):
            return "a history entry (its graph is entry['prompt'][2])"
        case dict():
            keys = ", ".join(repr(str(key)[:40]) for key in list(value)[:4])
            return f"an object with {keys}{', ...' if len(value) > 4 else ''}"
        case list():
            return f"a list of {len(value)}"
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a text"
        case _:
            return "a number" if isinstance(value, int | float) else f"a {type(value).__name__}"


def _all_have(value: dict[Any, Any], *keys: str) -> bool:
    return all(isinstance(entry, dict) and all(key in entry for key in keys) for entry in value.values())


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return False
    return True
