"""The editor's JSON becomes what ComfyUI's own front end would send (``graphToPrompt``).

The rules are those of docs/editor-format.md; paragraphs are cited where they are followed. ``load_graphs.py``
loads the file, then ``export.py`` exports what was loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from comfywire.errors import UnreadableWorkflow
from comfywire.workflow.catalogues.packaged import packaged, release_of, shipped_types
from comfywire.workflow.conversion.export import Export
from comfywire.workflow.conversion.known import KnownTypes
from comfywire.workflow.conversion.load_graphs import load_graphs
from comfywire.workflow.conversion.packs.builtin import BUILTIN_PACKS
from comfywire.workflow.conversion.packs.pack import Pack, Packs
from comfywire.workflow.object_info import ObjectInfo
from comfywire.workflow.profiles import FE_1_58, Profile, profile_for
from comfywire.workflow.subgraph import Subgraph

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from comfywire.workflow.conversion.unknown import UnknownType

__all__ = ["Conversion", "Converter", "convert", "to_prompt"]


@dataclass(frozen=True)
class Conversion:
    """A converted workflow.

    Attributes:
        prompt: The workflow in API format: ``class_type``, ``inputs`` and ``_meta.title`` by node id.
        warnings: What could not be converted as it stands, one sentence each.
        unknown: The nodes whose type the server does not have, each with its node pack if the file names it.
        subgraphs: The instances of subgraphs whose nodes are in the prompt.

    """

    prompt: dict[str, dict[str, Any]]
    warnings: list[str] = field(default_factory=list)
    unknown: list[UnknownType] = field(default_factory=list)
    subgraphs: list[Subgraph] = field(default_factory=list)


def convert(
    document: Mapping[str, Any],
    object_info: Mapping[str, Any] | ObjectInfo,
    *,
    profile: Profile | None = None,
    now: datetime | None = None,
    choose: Callable[[Sequence[Any]], Any] | None = None,
    packs: Sequence[Pack] = (),
) -> Conversion:
    """Return ``document`` as the front end would send it; nothing is validated, as the front end does not.

    Damage is tolerated: what cannot be resolved is left out, with a warning. To convert many workflows for
    one server, make a :class:`Converter` once.

    Args:
        document: The editor's JSON, schema 0.4 or 1.0. It is not changed.
        object_info: The server's ``/object_info``, or what :func:`packaged` returns: then the file says which
            release it was made with, and the nodes of common packs are known by name.
        profile: Which front end's rules; None recognises it by the server's version, else the types.
        now: What ``%date:...%`` in file names writes; None is the local time.
        choose: Picks one of the options of a dynamic prompt, ``{a|b}``, as ``random.choice`` does; None takes
            the first.
        packs: What node packs' browser halves do, beside the packs that Comfywire knows itself.

    Raises:
        UnreadableWorkflow: It is no workflow of the editor.

    """
    return Converter(object_info, profile=profile, packs=packs).convert(document, now=now, choose=choose)


class Converter:
    """Converts workflows for one server; what is worked out about its node types is kept.

    Args:
        object_info: The server's ``/object_info``, raw or read.
        profile: Which front end's rules; None recognises it by the server's version, else the types.
        packs: What node packs' browser halves do, beside the packs that Comfywire knows itself.

    """

    def __init__(
        self,
        object_info: Mapping[str, Any] | ObjectInfo,
        *,
        profile: Profile | None = None,
        packs: Sequence[Pack] = (),
    ) -> None:
        known = object_info if isinstance(object_info, ObjectInfo) else ObjectInfo(object_info)
        # Without a server the newer rules hold: they read files of all ages, the older ones do not.
        guessed = FE_1_58 if known.is_packaged else profile_for(known.version, known.raw)
        self.profile = profile or guessed
        self._packs = Packs([*BUILTIN_PACKS, *packs])
        self._known_types = (
            None if _is_newest_shipped(known) else KnownTypes(known, self.profile, self._packs)
        )
        self._shipped: dict[str, KnownTypes] = {}

    def convert(
        self,
        document: Mapping[str, Any],
        *,
        now: datetime | None = None,
        choose: Callable[[Sequence[Any]], Any] | None = None,
    ) -> Conversion:
        """See :func:`convert`."""
        try:
            loaded = load_graphs(document, self._known_types or self._for(document), choose or _first)
            export = Export(loaded, now, choose or _first)
            prompt = export.prompt()
        except RecursionError as error:
            raise UnreadableWorkflow(
                "this workflow is nested too deeply to be one that the editor saved"
            ) from error
        return Conversion(prompt, loaded.warnings, loaded.unknown, export.subgraphs)

    def _for(self, document: Mapping[str, Any]) -> KnownTypes:
        release = release_of(document) if isinstance(document, Mapping) else release_of({})
        known = self._shipped.get(release)
        if known is None:
            known = self._shipped[release] = KnownTypes(shipped_types(release), self.profile, self._packs)
        return known


def _is_newest_shipped(known: ObjectInfo) -> bool:
    return known.is_packaged and known is packaged()  # which is not read for a server's answer


def _first(options: Sequence[str]) -> str:
    return options[0]


_CONVERTERS: list[tuple[Any, Converter]] = []
_KEPT = 4


def to_prompt(document: Mapping[str, Any], object_info: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return just the prompt; what is worked out about the last few ``object_info`` is kept."""
    for given, converter in _CONVERTERS:
        if given is object_info:
            return converter.convert(document).prompt
    converter = Converter(object_info)
    _CONVERTERS.insert(0, (object_info, converter))
    del _CONVERTERS[_KEPT:]
    return converter.convert(document).prompt
