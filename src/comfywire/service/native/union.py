"""One catalogue of a whole fleet: every class that a ComfyUI has, with all the choices of all. Pure.

Each class has the form of the newest ComfyUI that has it: older ones list choices where newer ones have
``["COMBO", {"options": [...]}]``, and programs read either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from comfywire.service.assets.input_names import FOLDER
from comfywire.service.fleet.input_kinds import UPLOADS

__all__ = ["choices_of", "takes_uploads", "union", "with_files"]

Entry = Mapping[str, Any]


def union(catalogues: Sequence[Mapping[str, Any]]) -> dict[str, Entry]:
    """Return the catalogue of several ComfyUIs, the newest of which comes first."""
    every: dict[str, list[Entry]] = {}
    for catalogue in catalogues:
        for class_type, entry in catalogue.items():
            if isinstance(entry, Mapping):
                every.setdefault(class_type, []).append(entry)
    return {class_type: _one(entries) for class_type, entries in every.items()}


def with_files(entry: Entry, names: Sequence[str]) -> Entry:
    """Return a class with a caller's uploads among the choices of the inputs that take one."""

    def added(spec: Any) -> Any:
        return _with(spec, names) if _takes_upload(spec) else spec

    return _mapped(entry, lambda _, spec: added(spec))


def takes_uploads(entry: Entry) -> bool:
    """Whether an input of a class takes an upload."""
    return any(_takes_upload(spec) for _, spec in _specs(entry))


def choices_of(spec: Any) -> list[Any] | None:
    """Return the choices of an input, in either form; None if it has none."""
    match spec:
        case [list() as choices, *_]:
            return choices
        case ["COMBO", {"options": list() as choices}, *_]:
            return choices
        case _:
            return None


def _one(entries: Sequence[Entry]) -> Entry:
    newest, *others = entries
    known = [dict(_specs(entry)) for entry in others]

    def joined(place: tuple[str, str], spec: Any) -> Any:
        if choices_of(spec) is None:
            return spec
        more = [choice for specs in known for choice in choices_of(specs.get(place)) or ()]
        return _with(spec, more)

    return _mapped(newest, joined)


def _with(spec: Any, more: Sequence[Any]) -> Any:
    """Return an input with more choices; what we put onto the ComfyUIs for others is no choice."""
    choices = [choice for choice in choices_of(spec) or () if not _is_ours(choice)]
    choices += [choice for choice in dict.fromkeys(map(_hashable, more)) if choice not in choices]
    choices = [choice for choice in choices if not _is_ours(choice)]
    if isinstance(spec[0], list):
        return [choices, *spec[1:]]
    return [spec[0], {**spec[1], "options": choices}, *spec[2:]]


def _hashable(choice: Any) -> Any:
    return choice if isinstance(choice, str | int | float | bool) else str(choice)


def _is_ours(choice: Any) -> bool:
    return isinstance(choice, str) and choice.replace("\\", "/").startswith(f"{FOLDER}/")


def _takes_upload(spec: Any) -> bool:
    options = spec[1] if isinstance(spec, list) and len(spec) > 1 and isinstance(spec[1], Mapping) else {}
    return any(options.get(upload) for upload in UPLOADS) and choices_of(spec) is not None


def _specs(entry: Entry) -> Iterator[tuple[tuple[str, str], Any]]:
    sections = entry.get("input")
    for section, specs in sections.items() if isinstance(sections, Mapping) else ():
        for name, spec in specs.items() if isinstance(specs, Mapping) else ():
            yield (section, name), spec


def _mapped(entry: Entry, change: Any) -> Entry:
    sections = entry.get("input")
    if not isinstance(sections, Mapping):
        return entry
    changed = {
        section: {name: change((section, name), spec) for name, spec in specs.items()}
        if isinstance(specs, Mapping)
        else specs
        for section, specs in sections.items()
    }
    return {**entry, "input": changed}
