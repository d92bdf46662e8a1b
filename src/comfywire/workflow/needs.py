"""What a workflow needs of a server, and where its file says that it comes from: node types and models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .conversion.packs.builtin import BUILTIN_PACKS
from .conversion.packs.pack import Packs

if TYPE_CHECKING:
    from .workflow import Workflow

__all__ = ["Need", "is_model", "needs_of"]

MODEL_SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx")
CORE = "comfy-core"
"""What the editor writes as the node pack of ComfyUI's own nodes, virtual ones among them."""
_MOST_NESTING = 50


@dataclass(frozen=True, slots=True)
class Need:
    """Something that the workflow needs of a server.

    Attributes:
        kind: ``node type`` or ``model``.
        name: The class_type, or the file.
        where: The nodes, or the input, that need it; empty where only the file names it.
        source: The node pack of a type, as far as is known.
        is_there: Whether it is there; None when nobody can tell.
        url: Where the file says that a model can be had.
        folder: The folder of models that it belongs into, as the file says.
        hash: Its hash, as ``SHA256:...``, as the file says.

    """

    kind: str
    name: str
    where: str
    source: str
    is_there: bool | None
    url: str = ""
    folder: str = ""
    hash: str = ""


def needs_of(workflow: Workflow) -> list[Need]:
    """Return the node types and models that ``workflow`` needs, by its own catalogue."""
    return [*_types(workflow), *_models(workflow)]


def is_model(value: object) -> bool:
    """Whether an input's value is the name of a model file."""
    return isinstance(value, str) and value.lower().endswith(MODEL_SUFFIXES)


def _types(workflow: Workflow) -> Iterator[Need]:
    saved = dict(_saved_types(workflow.document, 0))
    by_type: dict[str, list[str]] = {}
    for node in workflow:
        # One of an unknown type may have been converted to nothing that names it.
        class_type = node.class_type or saved.get(node.id.rpartition(":")[2], "(no type)")
        by_type.setdefault(class_type, []).append(node.id)
    packs = dict(_packs(workflow.document, 0))
    for class_type, ids in by_type.items():
        definition = workflow.object_info.get(class_type)
        source = packs.get(class_type, "") if definition is None else definition.python_module
        yield Need("node type", class_type, ", ".join(ids), source, definition is not None)
    virtual = Packs(BUILTIN_PACKS).virtual
    for class_type, pack in packs.items():
        is_lacking = class_type not in workflow.object_info and class_type not in virtual
        if class_type not in by_type and is_lacking and pack != CORE:
            yield Need("node type", class_type, "", pack, is_there=False)


def _models(workflow: Workflow) -> Iterator[Need]:
    said = {model["name"]: model for model in _said_models(workflow.document, 0)}
    named: set[str] = set()
    for node in workflow:
        for name, value in node.inputs.items():
            if not is_model(value):
                continue
            spec = node.spec(name)
            offered = None if spec is None or spec.choices is None else value in spec.choices
            is_there = None if workflow.object_info.is_packaged else offered
            file = value.replace("\\", "/").rpartition("/")[2]
            named.add(file)
            yield _model(value, f"{node.id}.{name}", said.get(file, {}), is_there=is_there)
    for file, model in said.items():
        if file not in named:
            yield _model(file, "", model, is_there=None)


def _model(name: str, where: str, said: Mapping[str, Any], *, is_there: bool | None) -> Need:
    hashed = f"{said.get('hash_type') or ''}:{said['hash']}".lstrip(":") if said.get("hash") else ""
    url, folder = (str(said.get(key) or "") for key in ("url", "directory"))
    return Need("model", name, where, "", is_there, url, folder, hashed)


def _parts(document: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """Yield what stands in a part of the document, deeper than any editor nests."""
    for part in document.values() if isinstance(document, dict) and depth < _MOST_NESTING else ():
        for inner in part if isinstance(part, list) else [part]:
            if isinstance(inner, dict):
                yield inner


def _saved_types(document: Any, depth: int) -> Iterator[tuple[str, str]]:
    """Yield the types of the document's nodes by id, those of subgraphs too."""
    match document:
        case {"id": int() | str() as node_id, "type": str(class_type)}:
            yield str(node_id), class_type
    for inner in _parts(document, depth):
        yield from _saved_types(inner, depth + 1)


def _packs(document: Any, depth: int) -> Iterator[tuple[str, str]]:
    """Yield the node pack that the editor's document names for a type, wherever the node stands."""
    match document:
        case {"type": str(class_type), "properties": {**properties}}:
            pack = properties.get("cnr_id") or properties.get("aux_id")
            if isinstance(pack, str):
                yield class_type, pack
    for inner in _parts(document, depth):
        yield from _packs(inner, depth + 1)


def _said_models(document: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """Yield the ``models`` that the document lists, at its top or in the properties of its nodes."""
    listed = document.get("models") if isinstance(document, dict) else None
    for model in listed if isinstance(listed, list) else ():
        if isinstance(model, dict) and isinstance(model.get("name"), str):
            yield model
    for inner in _parts(document, depth):
        yield from _said_models(inner, depth + 1)
