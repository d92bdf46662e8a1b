"""Where results are saved: ``out/{prompt_id}_{node}_{n}{ext}``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from string import Formatter

from comfywire.client.files.names import safe_name
from comfywire.errors import UnsafeName

from .outputs import Output

__all__ = ["is_template", "named"]

FIELDS = ("prompt_id", "node", "class_type", "key", "kind", "name", "n", "ext")


def is_template(path: str | Path) -> bool:
    """Whether ``path`` has fields in it, rather than being a folder."""
    return "{" in str(path)


def named(template: str | Path, outputs: Iterable[Output], prompt_id: str) -> list[tuple[Output, Path]]:
    """Return where each output goes; what the server named is made safe, and stays inside.

    Raises:
        ValueError: The template has a field that there is not.

    """
    _check(str(template))
    count: Counter[str] = Counter()
    places = []
    for output in outputs:
        count[output.node_id] += 1
        fields = {**_fields(output), "prompt_id": prompt_id, "n": count[output.node_id]}
        places.append((output, Path(str(template).format_map(fields))))
    return places


def _check(template: str) -> None:
    try:
        used = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise ValueError(f"{template!r} is no template: {error}; write {{{{ for a brace") from error
    for name in used:
        if name not in FIELDS:
            known = ", ".join(f"{{{field}}}" for field in FIELDS)
            raise ValueError(f"{template!r} has a field {{{name}}}; there are {known}")


def _fields(output: Output) -> dict[str, str]:
    name = PurePosixPath(output.own_name())
    return {
        "node": _part(output.node_id),
        "class_type": _part(output.class_type or "node"),
        "key": _part(output.key),
        "kind": output.kind,
        "name": name.stem,
        "ext": name.suffix,
    }


def _part(text: str) -> str:
    try:
        return safe_name(text.replace("/", "_").replace("\\", "_"))
    except UnsafeName:
        return "_"
