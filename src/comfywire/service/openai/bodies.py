"""Bodies of OpenAI's API: JSON, or a form whose files are staged while they come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from pathlib import PureWindowsPath
from typing import Annotated, Any, Literal, Self, TypeVar
from uuid import UUID

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.requests import ClientDisconnect

from comfywire.service.api.admission import read_apart
from comfywire.service.api.bodies.multipart import MalformedForm, Part, parts
from comfywire.service.api.models import Text
from comfywire.service.assets.assets import Assets
from comfywire.service.assets.blobs import Staged, TooLarge
from comfywire.service.assets.records import NewAsset
from comfywire.service.assets.references import reference
from comfywire.service.database.storable import must_be_storable, must_be_text

from .asked import MOST_PICTURES, Files
from .errors import BadRequest

__all__ = ["Form", "ImageBody", "VideoBody", "body_of", "read_body"]

MOST_FIELDS = 100
MOST_FILES = 16
ROOM_FOR_FIELDS = 1 << 20
"""Bytes that a form may have beside those of its files."""
IMAGES = {"image", "image[]", "input_reference"}
Body = TypeVar("Body", bound=BaseModel)


class _Body(BaseModel):
    """Fields beside those that are declared are inputs of the workflow, of any kind that can be kept."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        for name, value in (self.model_extra or {}).items():
            must_be_text(name)
            must_be_storable(value)
        return self


class ImageBody(_Body):
    """Pictures that are asked for; fields beside these are inputs of the workflow, by name."""

    model: Annotated[Text | None, Field(description="A registered workflow, or an alias of one.")] = None
    prompt: Text | None = None
    n: Annotated[int | None, Field(ge=1, le=MOST_PICTURES, description="How many: a job for each.")] = None
    size: Annotated[Text | None, Field(description="`1024x768`, or `auto`.")] = None
    quality: Text | None = None
    response_format: Literal["b64_json", "url"] | None = None
    stream: bool | None = None
    partial_images: Annotated[int | None, Field(ge=0, le=3)] = None

    def inputs(self) -> dict[str, Any]:
        """Return the fields that are about the picture, and not about the answer."""
        about_the_answer = {"model", "response_format", "stream", "partial_images"}
        return self.model_dump(exclude=about_the_answer, exclude_none=True)

    def labels(self) -> dict[str, str]:
        """Return the labels of its jobs."""
        return {"openai": "image"}


class VideoBody(_Body):
    """A video that is asked for; fields beside these are inputs of the workflow, by name."""

    model: Text | None = None
    prompt: Text | None = None
    size: Text | None = None
    seconds: Text | float | None = None

    def inputs(self) -> dict[str, Any]:
        """Return the fields that are about the video."""
        return self.model_dump(exclude={"model"}, exclude_none=True)

    def labels(self) -> dict[str, str]:
        """Return the labels of its job: they keep what was said, to be told with the status."""
        said = {"model": self.model, "size": self.size, "seconds": self.seconds}
        return {
            "openai": "video",
            **{f"openai_{name}": str(value) for name, value in said.items() if value is not None},
        }


@dataclass(slots=True)
class Form:
    """A body that was read: its fields, and its files, which are written but no assets yet.

    Attributes:
        fields: Everything that is no file.
        images: The pictures among the files.
        links: Pictures that are given by URL, or by the id of an asset.
        mask: The mask among the files.

    """

    fields: dict[str, Any] = field(default_factory=dict)
    images: list[tuple[Staged, NewAsset]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    mask: tuple[Staged, NewAsset] | None = None

    def placeholders(self) -> Files:
        """Return what stands for the files while the other fields are checked."""
        anything = reference(UUID(int=0))
        mask = None if self.mask is None else anything
        return Files([*(anything for _ in self.images), *self.links], mask)

    async def kept(self, assets: Assets, key_id: UUID) -> Files:
        """Make assets of the files; cancelling this may leave some, which the sweep removes."""
        images = [await _kept(assets, key_id, each) for each in self.images]
        mask = None if self.mask is None else await _kept(assets, key_id, self.mask)
        return Files([*images, *self.links], mask)

    def hashes(self) -> list[str]:
        """Return what tells these files from others, for the Idempotency-Key."""
        files = [*self.images, *([self.mask] if self.mask is not None else [])]
        return [staged.blob.hash for staged, _ in files]


def body_of(kind: type[Body], fields: Mapping[str, Any]) -> Body:
    """Return the body that a form's fields are: numbers and truths come as texts.

    Raises:
        RequestValidationError: A field cannot be.

    """
    try:
        return kind.model_validate(dict(fields))
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_url=False)]
        raise RequestValidationError(faults) from None


async def read_body(request: Request, assets: Assets, most: int, until_kept: AsyncExitStack) -> Form:
    """Read a body, a form or JSON; the files of a form stay staged until ``until_kept`` is left.

    Raises:
        MalformedForm: The body is no form, or is cut off.
        TooLarge: Its files together have more than ``most`` bytes.
        BadRequest: A file has a name that means nothing, or there are too many parts.

    """
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() == "application/json":
        return _of_json(await read_apart(await request.body()))
    form = Form()
    async with aclosing(parts(kind, _counted(request, most))) as coming:
        async for part in coming:
            if part.filename is None:
                form.fields[part.name] = await part.text()
            else:
                await _stage(form, part, assets, until_kept)
            if len(form.fields) > MOST_FIELDS or len(form.images) > MOST_FILES:
                raise BadRequest(
                    f"a form has at most {MOST_FILES} pictures and {MOST_FIELDS} fields: send fewer"
                )
    return form


def _of_json(fields: Any) -> Form:
    """Return a JSON body, in which pictures are ``{"image_url": …}`` or ``{"file_id": …}``."""
    if not isinstance(fields, dict):
        raise BadRequest("the body is no JSON object: write it in braces")
    given = fields.get("images") or fields.get("input_reference") or []
    links = []
    for each in given if isinstance(given, list) else [given]:
        match each:
            case {"image_url": str(where)} | {"file_id": str(where)}:
                links.append(where)
            case _:
                return Form(fields)  # inputs of the workflow that happen to be called so
    rest = {name: value for name, value in fields.items() if name not in ("images", "input_reference")}
    return Form(rest if links else fields, links=links)


async def _stage(form: Form, part: Part, assets: Assets, until_kept: AsyncExitStack) -> None:
    if part.name not in IMAGES and part.name != "mask":
        raise BadRequest(f"{part.name[:80]!r} is no file here: files are image, image[] and mask", part.name)
    if part.name == "mask" and form.mask is not None:
        raise BadRequest("there are two masks: send one", "mask")
    name = PureWindowsPath(part.filename or "").name or f"{part.name.removesuffix('[]')}.png"
    new = NewAsset(
        content_type=part.content_type or "application/octet-stream",
        file_path=name,
        tags=("input",),
        is_named=False,
    )
    staged = await until_kept.enter_async_context(assets.staged(part.chunks()))
    if part.name == "mask":
        form.mask = (staged, new)
    else:
        form.images.append((staged, new))


async def _kept(assets: Assets, key_id: UUID, file: tuple[Staged, NewAsset]) -> dict[str, Any]:
    asset, _ = await assets.keep(file[0], key_id, file[1])
    return reference(asset.id)


async def _counted(request: Request, most: int) -> AsyncIterator[bytes]:
    read = 0
    try:
        async for chunk in request.stream():
            read += len(chunk)
            if read > most + ROOM_FOR_FIELDS:
                raise TooLarge(most)
            yield chunk
    except ClientDisconnect:
        raise MalformedForm("the connection broke while the form came: send it once more") from None
