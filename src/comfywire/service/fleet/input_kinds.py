"""Which inputs of a node take the name of a file, by the catalogues of the fleet. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

from comfywire.workflow.catalogues.packaged import packaged
from comfywire.workflow.object_info import Input, ObjectInfo

__all__ = ["UPLOADS", "InputKind", "InputKinds"]

UPLOADS = ("image_upload", "animated_image_upload", "video_upload", "audio_upload", "file_upload")
WITHOUT_BUTTON = frozenset(
    {("LoadLatent", "latent"), ("GeminiInputFiles", "file"), ("OpenAIInputFiles", "file")}
)
"""Inputs that list files of kinds that have no upload button (nodes.py and comfy_api_nodes/, 0.33.0)."""
NO_FILE = frozenset({"", "none", "None"})


class InputKind(Enum):
    """What the value of an input is to its node."""

    FILE = "the name of a file in the input folder, or of another that is named with it"
    CHOICE = "one of a list, or of a type that is not text: nodes may look for a file of that name"
    TEXT = "free text, or of an input that nobody knows"


class InputKinds:
    """The inputs of all node types that are known.

    Args:
        catalogues: Of the fleet's ComfyUIs. What none of them has is looked up in the packaged catalogue.

    """

    def __init__(self, catalogues: Iterable[ObjectInfo] = ()) -> None:
        self._catalogues = tuple(catalogues)
        self._uploads: dict[int, frozenset[str]] = {}
        self._found: dict[tuple[str, str], InputKind] = {}

    def kind(self, class_type: str, name: str) -> InputKind:
        """Return the kind of an input. One ComfyUI that takes it for a file is enough."""
        if (found := self._found.get((class_type, name))) is not None:
            return found
        specs = list(self._specs(class_type, name))
        kind = self._kind(class_type, specs)
        if specs:  # what is in no catalogue is as much as callers like
            self._found[class_type, name] = kind
        return kind

    def _kind(self, class_type: str, specs: list[tuple[ObjectInfo, Input]]) -> InputKind:
        if any(self._takes_file(catalogue, class_type, spec) for catalogue, spec in specs):
            return InputKind.FILE
        is_text = all(spec.type == "STRING" for _, spec in specs)
        return InputKind.TEXT if is_text else InputKind.CHOICE

    def is_offered(self, class_type: str, name: str, value: str) -> bool:
        """Whether a ComfyUI lists ``value`` among the choices of an input."""
        return any(value in (spec.choices or ()) for _, spec in self._specs(class_type, name))

    def _specs(self, class_type: str, name: str) -> Iterator[tuple[ObjectInfo, Input]]:
        known = [catalogue for catalogue in self._catalogues if class_type in catalogue]
        for catalogue in known or [packaged()]:
            if class_type in catalogue and (spec := catalogue[class_type].inputs.get(name)) is not None:
                yield catalogue, spec

    def _takes_file(self, catalogue: ObjectInfo, class_type: str, spec: Input) -> bool:
        if spec.upload is not None or (class_type, spec.name) in WITHOUT_BUTTON:
            return True
        choices = {choice for choice in spec.choices or () if isinstance(choice, str)} - NO_FILE
        return bool(choices) and choices <= self._listed(catalogue)

    def _listed(self, catalogue: ObjectInfo) -> frozenset[str]:
        """Return the files of the input folder that inputs with an upload button offer."""
        if id(catalogue) not in self._uploads:
            self._uploads[id(catalogue)] = frozenset(_offered_files(catalogue.raw)) - NO_FILE
        return self._uploads[id(catalogue)]


def _offered_files(raw: Mapping[str, Any]) -> Iterator[str]:
    # The raw entries: parsing a thousand node types takes a hundred times as long.
    for entry in raw.values():
        sections = entry.get("input") if isinstance(entry, Mapping) else None
        for section in sections.values() if isinstance(sections, Mapping) else ():
            for spec in section.values() if isinstance(section, Mapping) else ():
                yield from _offered(spec)


def _offered(spec: Any) -> Iterator[str]:
    match spec:
        case [first, dict() as options, *_] if any(options.get(upload) for upload in UPLOADS):
            listed = first if isinstance(first, list) else options.get("options")
            yield from (choice for choice in listed or () if isinstance(choice, str))
