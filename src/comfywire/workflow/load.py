"""Read a workflow from wherever people have it: the only module here that opens files.

What something is, its content says: never its name alone. Files that ComfyUI saved are read in place, part
by part, so that a video of gigabytes costs no more than its metadata.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from comfywire.errors import InvalidParameter, UncertainWorkflow, UnreadableWorkflow, UnusablePack

from .nearest import did_you_mean
from .recognise import Found, parse_json, recognise

Choose: TypeAlias = Callable[[Sequence[Any]], Any]

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from comfywire.workflow.conversion.convert import Conversion
    from comfywire.workflow.conversion.packs.pack import Pack
    from comfywire.workflow.parameters.parameters import Parameters

    from .object_info import ObjectInfo
    from .subgraph import Subgraph

__all__ = [
    "Loaded",
    "PackSource",
    "Source",
    "copied",
    "params_path",
    "read_params",
    "read_workflow",
    "subgraphs_of",
    "write_params",
    "write_prompt",
]

PackSource: TypeAlias = "Pack | str | os.PathLike[str]"
"""The rules of a node pack, or the path of a Python file that has them as ``PACK``."""

Source: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | Mapping[str, Any] | IO[Any]"

# A stream that cannot seek has to be held in memory to be recognised.
_MOST_STREAM_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a source held."""

    prompt: dict[str, dict[str, Any]]
    document: dict[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    subgraphs: tuple[Subgraph, ...] = ()


def read_workflow(
    source: Source,
    object_info: ObjectInfo | None = None,
    choose: Choose | None = None,
    *,
    strict: bool = False,
    packs: Sequence[PackSource] = (),
) -> Loaded:
    """Return the prompt that ``source`` is or holds; the editor's document is converted, and kept.

    Raises:
        UnreadableWorkflow: It is no workflow and holds none, or it cannot be read.
        UncertainWorkflow: The conversion has warnings, and ``strict`` refuses them.
        UnusablePack: A file among ``packs`` cannot be loaded.
        TypeError: ``source`` is none of the kinds that can be read.

    """
    named = [_read_pack(pack) for pack in packs]
    found = _find(source)
    known = [*_installed_packs(), *named]
    if found.prompt is not None:
        shown = subgraphs_of(found.document, object_info, packs=known)
        return Loaded(_without_residue(found.prompt), found.document, subgraphs=shown)
    assert found.document is not None
    conversion = _converted(found.document, object_info, choose=choose, packs=known)
    if strict and conversion.warnings:
        raise UncertainWorkflow(conversion.warnings)
    return Loaded(conversion.prompt, found.document, tuple(conversion.warnings), tuple(conversion.subgraphs))


def subgraphs_of(
    document: Mapping[str, Any] | None, object_info: ObjectInfo | None, *, packs: Sequence[Pack] = ()
) -> tuple[Subgraph, ...]:
    """Return the subgraphs of a document that a prompt came with, if its author chose inputs in them."""
    extra = (document or {}).get("extra")
    if document is None or not isinstance(extra, Mapping) or "linearData" not in extra:
        return ()
    try:
        return tuple(_converted(document, object_info, packs=packs).subgraphs)
    except UnreadableWorkflow:
        return ()  # the prompt is what counts


def _converted(
    document: Mapping[str, Any],
    object_info: ObjectInfo | None,
    *,
    choose: Choose | None = None,
    packs: Sequence[Pack] = (),
) -> Conversion:
    from comfywire.workflow.catalogues.packaged import packaged  # noqa: PLC0415 - as the next
    from comfywire.workflow.conversion.convert import convert  # noqa: PLC0415 - half of what there is to import

    return convert(document, object_info or packaged(), choose=choose, packs=packs)


@cache
def _installed_packs() -> tuple[Pack, ...]:
    """Return the rules that installed packages bring, by the entry point ``comfywire.packs``."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - takes as long as three modules of ours

    return tuple(_loaded_entry(entry) for entry in entry_points(group="comfywire.packs"))


def _loaded_entry(entry: EntryPoint) -> Pack:
    try:
        return _checked(entry.load(), entry.value)
    except UnusablePack:
        raise
    except Exception as error:
        words = f"the node pack rules {entry.value!r} of an installed package cannot be loaded"
        raise UnusablePack(
            f"{words}: {type(error).__name__}: {error}; update or remove that package"
        ) from error


def _read_pack(source: PackSource) -> Pack:
    """Run the Python file that was named; nothing is ever looked for beside a workflow."""
    from comfywire.workflow.conversion.packs.pack import Pack  # noqa: PLC0415 - few name packs

    if isinstance(source, Pack):
        return source
    path = Path(source)
    name = f"comfywire_pack_{path.stem}"
    loader = SourceFileLoader(name, str(path))
    module = module_from_spec(ModuleSpec(name, loader, origin=str(path)))
    try:
        loader.exec_module(module)
    except Exception as error:
        raise UnusablePack(f"{str(path)!r} cannot be run: {type(error).__name__}: {error}") from error
    return _checked(getattr(module, "PACK", None), str(path))


def _checked(pack: Any, where: str) -> Pack:
    from comfywire.workflow.conversion.packs.pack import Pack  # noqa: PLC0415 - as above

    if not isinstance(pack, Pack):
        raise UnusablePack(f"{where!r} has no PACK: a comfywire.workflow.Pack says what the node pack does")
    return pack


def write_prompt(path: str | os.PathLike[str], prompt: Mapping[str, Any]) -> None:
    """Write ``prompt`` as JSON.

    Raises:
        OSError: It cannot be written.

    """
    Path(path).write_text(json.dumps(prompt, indent=2) + "\n", encoding="utf-8")


def params_path(workflow: str | os.PathLike[str]) -> Path:
    """Return where the parameters of a workflow are kept: ``x.params.toml`` beside ``x.json``."""
    return Path(workflow).with_suffix(".params.toml")


def read_params(workflow: str | os.PathLike[str]) -> Parameters | None:
    """Return the parameters kept beside a workflow, or None when there are none.

    Raises:
        InvalidParameter: The file is there, and cannot be understood.

    """
    path = params_path(workflow)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidParameter(f"{path.name!r} cannot be read: {error}") from error
    from comfywire.workflow.parameters.toml import parse_toml  # noqa: PLC0415 - few have such a file

    return parse_toml(text, where=repr(path.name))


def write_params(workflow: str | os.PathLike[str], parameters: Parameters) -> Path:
    """Write ``parameters`` beside a workflow and return where.

    Raises:
        OSError: It cannot be written.

    """
    path = params_path(workflow)
    from comfywire.workflow.parameters.toml import to_toml  # noqa: PLC0415 - as above

    path.write_text(to_toml(parameters, of=Path(workflow).name), encoding="utf-8")
    return path


def _find(source: Source) -> Found:
    match source:
        case Mapping():
            found = recognise(dict(source), where="this dictionary")
            try:
                return Found(copied(found.prompt), copied(found.document))
            except RecursionError:
                raise UnreadableWorkflow("this dictionary is nested too deeply to be a workflow") from None
        case str() if source.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
            return recognise(parse_json(source.lstrip("\ufeff"), where="this text"), where="this text")
        case str() | os.PathLike():
            return _find_in_path(source)
        case bytes() | bytearray() | memoryview():
            return _find_in_file(io.BytesIO(source), where="these bytes")
        case _ if hasattr(source, "read"):
            return _find_in_stream(source)
        case _:
            raise TypeError(
                f"a workflow is loaded from a path, a dictionary, JSON text, bytes or an open file, "
                f"not from a {type(source).__name__}"
            )


def _find_in_path(source: str | os.PathLike[str]) -> Found:
    path = Path(source)
    try:
        with path.open("rb") as file:
            is_plain = file.seekable()  # a pipe is not: /dev/stdin
            return _find_in_file(file, where=repr(path.name)) if is_plain else _find_in_stream(file)
    except FileNotFoundError as error:
        raise UnreadableWorkflow(_say_missing(path)) from error
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableWorkflow(f"{str(path)[:200]!r} cannot be read: {reason}") from error


def _say_missing(path: Path) -> str:
    try:
        siblings = [sibling.name for sibling in path.parent.iterdir()]
    except OSError:
        return f"there is no folder {str(path.parent)!r}, so no workflow {path.name!r} in it"
    return f"there is no file {str(path)!r}{did_you_mean(path.name, siblings)}"


def _find_in_stream(stream: IO[Any]) -> Found:
    name = getattr(stream, "name", None)
    where = repr(Path(name).name) if isinstance(name, str) else "this file"
    content = stream.read(_MOST_STREAM_BYTES + 1)
    if len(content) > _MOST_STREAM_BYTES:
        raise UnreadableWorkflow(
            f"{where} is larger than {_MOST_STREAM_BYTES >> 20} MiB; give its path instead"
        )
    if isinstance(content, str):
        return recognise(parse_json(content.lstrip("\ufeff"), where=where), where=where)
    return _find_in_file(io.BytesIO(content), where=where)


def _find_in_file(file: IO[bytes], *, where: str) -> Found:
    from comfywire.workflow.metadata.bounded import MOST_BYTES  # noqa: PLC0415 - a dict has no file
    from comfywire.workflow.metadata.find import HEAD_BYTES, find_in_file, format_of  # noqa: PLC0415

    head = file.read(HEAD_BYTES)
    file.seek(0)
    if not head:
        raise UnreadableWorkflow(f"{where} is empty")
    if known := format_of(head):
        return find_in_file(file, known, where=where)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["}:
        text = file.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise UnreadableWorkflow(
                f"{where} is larger than {MOST_BYTES >> 20} MiB, too much for a workflow"
            )
        return recognise(parse_json(text, where=where), where=where)
    raise UnreadableWorkflow(f"{where} is neither JSON nor a kind of file that ComfyUI saves workflows in")


def _without_residue(prompt: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    # The executor keeps what IS_CHANGED returned inside the graph, saved files carry it, and a server that
    # gets it back believes it: changed inputs are served stale (execution.py, IsChangedCache, 0.3.64).
    for entry in prompt.values():
        entry.pop("is_changed", None)
    return prompt


def copied(value: Any) -> Any:
    """Return an independent copy of JSON; faster than deepcopy, which looks for cycles."""
    if isinstance(value, dict):
        return {key: copied(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [copied(entry) for entry in value]
    return value
