"""What a request of OpenAI's API asks for, as inputs of a registered workflow. Pure.

A field is honoured or refused: no picture is made that differs silently from what was asked for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from comfywire.errors import InvalidParameter
from comfywire.service.workflows.records import WorkflowRecord
from comfywire.workflow import Parameter
from comfywire.workflow.parameters.values import LARGEST_SEED, RANDOM, draw_seed

from .errors import BadRequest
from .roles import by_role, images_of

__all__ = ["MOST_PICTURES", "Files", "entries_of", "size_of"]

MOST_PICTURES = 10
LARGEST_NUMBER = 2**31 - 1
"""The largest seed that is drawn where an author calls it a number and names no limit: any node takes it."""
_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})", re.ASCII)
# What a field may say although no parameter takes it: the picture is then what it asks for all the same.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "quality": ("auto", "standard"),
    "background": ("auto",),
    "output_format": ("png",),
    "output_compression": (100,),
    "style": ("vivid",),
    "input_fidelity": ("low",),
    "moderation": ("auto", "low"),
}
_BY_ROLE = {"negative_prompt": "negative_prompt", "seconds": "duration"}
_ABOUT_THE_CALLER = {"user", "safety_identifier"}


@dataclass(frozen=True, slots=True)
class Files:
    """Files that came with a form, as values of inputs: references to assets.

    Attributes:
        images: Those of ``image``, ``image[]`` or ``input_reference``.
        mask: The one of ``mask``.

    """

    images: Sequence[Any] = ()
    mask: Any = None


def entries_of(
    record: WorkflowRecord,
    fields: Mapping[str, Any],
    files: Files | None = None,
    *,
    new_seed: Callable[[], int],
) -> list[dict[str, Any]]:
    """Return the inputs of each job: as many jobs as pictures are asked for.

    Args:
        record: The workflow.
        fields: The body without what is about the answer: ``prompt``, ``n``, ``size``, ``quality``, and any
            other; null is as if a field were not there.
        files: What came with the body.
        new_seed: Draws a seed, where the workflow takes one as a plain number.

    Raises:
        BadRequest: A field says what this workflow cannot honour.

    """
    said = {name: value for name, value in fields.items() if value is not None}
    count = said.pop("n", None)
    common: dict[str, Any] = {}
    for field, value in said.items():
        for name, each in _inputs(record, field, value):
            if name in common:
                raise BadRequest(f"{field!r} is given twice, under two names: give it once", field)
            common[name] = each
    common |= _files(record, files or Files())
    if count is not None and (counter := by_role(record.parameters).get("count")) is not None:
        common.setdefault(counter.name, 1)  # so that as many pictures come as were asked for
    return [common | seed for seed in _seeds(record, common, count or 1, new_seed)]


def size_of(text: str) -> tuple[int, int] | None:
    """Return width and height of ``1024x768``; None for ``auto``.

    Raises:
        BadRequest: ``text`` is neither.

    """
    if text == "auto":
        return None
    if (found := _SIZE.fullmatch(text)) is None:
        raise BadRequest(f"size is WIDTHxHEIGHT, such as 1024x1024, or auto, and not {text[:40]!r}", "size")
    return int(found[1]), int(found[2])


def _inputs(record: WorkflowRecord, field: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the inputs that one field means."""
    roles = by_role(record.parameters)
    if field in _ABOUT_THE_CALLER:
        return
    if field == "size":
        yield from _size(record, str(value))
    elif field == "quality" and str(value) in (qualities := record.options.get("qualities") or {}):
        yield from qualities[str(value)].items()
    elif field == "prompt" and "prompt" in roles:
        yield roles["prompt"].name, value
    elif field in record.parameters:
        yield field, value
    elif (role := _BY_ROLE.get(field, field)) in roles:
        yield roles[role].name, value
    elif field in _NEUTRAL or field == "prompt":
        _must_be_neutral(record, field, value)
    else:
        yield _unknown(record, field), value


def _unknown(record: WorkflowRecord, field: str) -> str:
    try:
        return record.parameters[field].name
    except InvalidParameter as error:
        raise BadRequest(f"model {record.name!r}: {error}", field, "unknown_parameter") from None


def _must_be_neutral(record: WorkflowRecord, field: str, value: Any) -> None:
    allowed: tuple[Any, ...] = _NEUTRAL.get(field, ("",))
    if field == "quality":
        allowed = (*allowed, *(record.options.get("qualities") or {}))
    if value in allowed or str(value) in map(str, allowed):
        return
    if field == "prompt":
        words = "takes no prompt: send none, or an empty one"
    else:
        words = f"cannot honour {field}={value!r}: leave it out, or take {' or '.join(map(str, allowed))}"
    raise BadRequest(f"model {record.name!r} {words}", field)


def _size(record: WorkflowRecord, text: str) -> Iterator[tuple[str, Any]]:
    if (size := size_of(text)) is None:
        return
    roles = by_role(record.parameters)
    for role, pixels in zip(("width", "height"), size, strict=True):
        if role not in roles:
            raise BadRequest(f"model {record.name!r} has no {role} to set: send size=auto, or none", "size")
        yield roles[role].name, pixels


def _files(record: WorkflowRecord, files: Files) -> dict[str, Any]:
    takers = images_of(record.parameters)
    if len(files.images) > len(takers):
        raise BadRequest(
            f"model {record.name!r} takes {len(takers) or 'no'} picture{'' if len(takers) == 1 else 's'}, "
            f"and {len(files.images)} came: send fewer",
            "image",
        )
    found: dict[str, Any] = {taker.name: image for taker, image in zip(takers, files.images, strict=False)}
    if files.mask is not None:
        mask = by_role(record.parameters).get("mask")
        if mask is None:
            raise BadRequest(f"model {record.name!r} takes no mask: leave it out", "mask")
        found[mask.name] = files.mask
    return found


def _seeds(
    record: WorkflowRecord, inputs: Mapping[str, Any], count: int, new_seed: Callable[[], int]
) -> list[dict[str, Any]]:
    """Return the seed of each picture: without one of its own, each would be the same."""
    seed = by_role(record.parameters).get("seed")
    if seed is None:
        return [{}] * count
    given = inputs.get(seed.name)
    if seed.type == "seed" and given in (None, RANDOM):
        return [{seed.name: RANDOM}] * count
    first = _drawn(seed, new_seed) if given is None else _checked(seed, given)
    return [{seed.name: _next(seed, first, at)} for at in range(count)]


def _drawn(seed: Parameter, new_seed: Callable[[], int]) -> int:
    most = LARGEST_NUMBER if seed.maximum is None else seed.maximum
    return draw_seed(new_seed, seed.minimum, most)


def _checked(seed: Parameter, given: Any) -> int:
    try:
        return int(seed.check(given))
    except InvalidParameter as error:
        raise BadRequest(str(error), "seed") from None


def _next(seed: Parameter, first: int, at: int) -> int:
    """Return the number of picture ``at``; after the largest comes the least."""
    largest = LARGEST_SEED if seed.maximum is None else int(seed.maximum)
    least = 0 if seed.minimum is None else math.ceil(seed.minimum)
    return first + at if first + at <= largest else least + first + at - largest - 1
