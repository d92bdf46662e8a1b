"""One method for each route of the API that an application needs."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any
from urllib.parse import quote

from comfywire.errors import ServerError, UnexpectedReply
from comfywire.protocol.snapshots import QueueSnapshot, parse_queue
from comfywire.transport.http import Http
from comfywire.workflow.nearest import did_you_mean

from .catalogue import Catalogue
from .follower import Follower
from .uploads import HasPlace, OnUpload, Upload, Uploads, UploadSource

__all__ = ["Routes"]


class Routes:
    """The plain requests of :class:`~comfywire.Client`.

    All raise ConnectionFailed, ConnectionLost, ServerError or UnexpectedReply; cancelling one abandons it.
    """

    @property
    @abstractmethod
    def _http(self) -> Http: ...

    _follower: Follower

    @property
    @abstractmethod
    def url(self) -> str:
        """The server's address, without user and password."""

    @property
    @abstractmethod
    def uploads(self) -> Uploads:
        """What was uploaded, so that it is sent once."""

    @property
    @abstractmethod
    def catalogue(self) -> Catalogue:
        """The server's node types, as far as they were asked for."""

    async def queue(self, *, graphs: bool = True) -> QueueSnapshot:
        """Return who is running and who is waiting, in the order in which they will run.

        Args:
            graphs: Whether their graphs are wanted, which can be megabytes; servers since 0.6.0 have a route
                without.

        """
        if not graphs:
            return await self._follower.read_queue()
        return parse_queue(await self._http.get_json("/queue"))

    async def delete(self, *prompt_ids: str) -> None:
        """Remove pending prompts from the queue; running and unknown ones are left alone."""
        await self._http.post_json("/queue", {"delete": list(prompt_ids)})

    async def clear_queue(self) -> None:
        """Remove every pending prompt, of everybody."""
        await self._http.post_json("/queue", {"clear": True})

    async def history(self, prompt_id: str | None = None, *, max_items: int | None = 200) -> dict[str, Any]:
        """Return history entries as the server keeps them, by prompt_id, oldest first.

        Args:
            prompt_id: Only this one; the answer is empty until it has ended.
            max_items: Only the newest. Each entry holds its whole graph, so all of them can be 100 MB.

        """
        if prompt_id is not None:
            return await self._http.get_object(f"/history/{_quoted(prompt_id)}")
        query = {} if max_items is None else {"max_items": str(max_items)}
        return await self._http.get_object("/history", **query)

    async def delete_history(self, *prompt_ids: str) -> None:
        """Remove history entries; their files stay."""
        await self._http.post_json("/history", {"delete": list(prompt_ids)})
        if prompt_ids:
            self._follower.entries_deleted(*prompt_ids)

    async def clear_history(self) -> None:
        """Remove every history entry, of everybody; the files stay."""
        await self._http.post_json("/history", {"clear": True})
        self._follower.entries_deleted()

    async def interrupt(self, prompt_id: str | None = None) -> None:
        """Interrupt ``prompt_id`` if that is what runs (0.3.57 and newer); without it, **whatever** runs.

        To end one prompt for certain, use :meth:`Job.cancel`.
        """
        await self._http.post_json("/interrupt", {} if prompt_id is None else {"prompt_id": prompt_id})

    async def free(self, *, unload_models: bool = True, free_memory: bool = True) -> None:
        """Unload models and forget cached outputs, as soon as the running prompt has ended."""
        await self._http.post_json("/free", {"unload_models": unload_models, "free_memory": free_memory})

    async def object_info(self, class_type: str | None = None) -> dict[str, Any]:
        """Return the server's node types: megabytes for all, ``{}`` for an unknown ``class_type``."""
        route = "/object_info" if class_type is None else f"/object_info/{_quoted(class_type)}"
        types = await self._http.get_object(route)
        self.catalogue.keep(types, is_whole=class_type is None)
        return types

    async def system_stats(self) -> dict[str, Any]:
        """Return versions, memory in bytes, and devices."""
        return await self._http.get_object("/system_stats")

    async def features(self) -> dict[str, Any]:
        """Return the server's feature flags, ``max_upload_size`` in bytes among them; 0.3.45 and newer."""
        return await self._http.get_object("/features")

    async def models(self, folder: str | None = None) -> list[str]:
        """Return the model folders, or the files of one, spelled as nodes want them."""
        if folder is None:
            return await self._list("/models")
        try:
            return await self._list(f"/models/{_quoted(folder)}")
        except ServerError as error:
            if error.status != 404:
                raise
            folders = await self._list("/models")
            hint = did_you_mean(folder, folders) or f"; there are {', '.join(map(str, folders))}"
            words = f"there is no model folder {folder!r}{hint}"
            raise ServerError(404, error.method, error.path, words) from error

    async def embeddings(self) -> list[str]:
        """Return the names of the embeddings, without extension."""
        return await self._list("/embeddings")

    async def upload(
        self,
        source: UploadSource,
        *,
        name: str | None = None,
        subfolder: str = "",
        type: str = "input",  # noqa: A002 (ComfyUI's word)
        overwrite: bool = False,
        on_progress: OnUpload | None = None,
    ) -> Upload:
        """Upload a file of any kind and return it as the server keeps it; ``str()`` of that goes into inputs.

        The same content under the same name is kept once; other content under a taken name is numbered,
        unless ``overwrite``. Large files are streamed.

        Args:
            source: A path, bytes, or an open binary file.
            name: The name to keep it under; by default its own.
            subfolder: Below the root; it is created.
            type: The root: ``input``, ``temp`` or ``output``.
            overwrite: Whether a file of that name is replaced.
            on_progress: Called with the bytes that were sent, and how many there are.

        """
        return await self.uploads.upload(
            source, name=name, subfolder=subfolder, kind=type, overwrite=overwrite, on_progress=on_progress
        )

    async def upload_mask(
        self, source: UploadSource, original: HasPlace, *, name: str | None = None
    ) -> Upload:
        """Return a copy of ``original``, which is on the server, with a mask in its alpha channel.

        A mask is transparent where it masks, as the editor's own are. A picture without an alpha channel is
        read by its brightness: white is masked; so is one whose alpha channel is opaque everywhere.

        Args:
            source: As in :meth:`upload`; of the size of ``original``.
            original: An upload, or an output that is a file.
            name: The name to keep the copy under, such as ``masked.png``; by default the mask's own.

        Raises:
            InvalidMask: The mask is of another size, no picture, or so dark that it would mask nothing.
            UnsafeName: ``name`` is none for an upload.
            MissingExtra: It has to be converted, which Pillow does, and that is not installed.
            UnexpectedReply: The server accepted it and made nothing, as it does when ``original`` is missing.

        """
        return await self.uploads.upload_mask(source, original, name=name)

    async def view(
        self,
        filename: str,
        *,
        subfolder: str = "",
        type: str = "output",  # noqa: A002 (ComfyUI's word)
        preview: str | None = None,
        channel: str | None = None,
    ) -> bytes:
        """Return a file's bytes.

        Args:
            filename: As the server named it.
            subfolder: Below the root.
            type: The root: ``output``, ``temp`` or ``input``.
            preview: Re-encode a picture, such as ``webp;90`` or ``jpeg;75``.
            channel: ``rgb`` without alpha, or ``a`` for alpha alone.

        """
        query = {"filename": filename, "subfolder": subfolder, "type": type}
        query |= {key: value for key, value in (("preview", preview), ("channel", channel)) if value}
        async with self._http.request("GET", "/view", query=query) as response:
            return await self._http.file_of(response)

    async def _list(self, path: str) -> list[Any]:
        reply = await self._http.get_json(path)
        if not isinstance(reply, list):
            raise UnexpectedReply(f"GET {path} was not answered with a list: {str(reply)[:80]}")
        return reply


def _quoted(name: str) -> str:
    return quote(name, safe="")
