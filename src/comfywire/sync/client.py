"""The blocking client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

from comfywire import client as asynchronous
from comfywire.client import JobProgress, ReplyLimits, Upload
from comfywire.client.client import WorkflowSource
from comfywire.client.events import QueueSnapshot
from comfywire.client.preparing import OutputNames
from comfywire.client.results.notebook_bar import notebook_bar
from comfywire.client.uploads import FOLDER, HasPlace, OnUpload, UploadSource
from comfywire.workflow import Workflow

from .background import LOOP
from .handles import Job, Result, wait

if TYPE_CHECKING:
    from comfywire.client.check import Finding

__all__ = ["Client"]


class Client:
    """A ComfyUI server, blocking; see :class:`comfywire.Client`, whose arguments it takes."""

    def __init__(
        self,
        url: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        verify: bool = True,
        connect_timeout: float = 10.0,
        read_timeout: float = 60.0,
        unreachable_timeout: float | None = 300.0,
        upload_subfolder: str = FOLDER,
        reply_limits: ReplyLimits | None = None,
    ) -> None:
        self._client = asynchronous.Client(
            url,
            headers=headers,
            token=token,
            verify=verify,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            unreachable_timeout=unreachable_timeout,
            upload_subfolder=upload_subfolder,
            reply_limits=reply_limits,
        )

    def __repr__(self) -> str:
        return repr(self._client)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> Self:
        """See :meth:`comfywire.Client.open`."""
        wait(self._client.open())
        return self

    def close(self) -> None:
        """See :meth:`comfywire.Client.close`."""
        wait(self._client.close())

    @property
    def url(self) -> str:
        """The server's address, without user and password."""
        return self._client.url

    @property
    def client_id(self) -> str:
        """Under which the next prompt is submitted."""
        return self._client.client_id

    def load(self, source: WorkflowSource) -> Workflow:
        """See :meth:`comfywire.Client.load`."""
        return wait(self._client.load(source))

    def submit(
        self,
        workflow: WorkflowSource,
        *,
        inputs: Mapping[str, Any] | None = None,
        outputs: OutputNames | None = None,
        prompt_id: str | None = None,
        validate: bool = False,
        front: bool = False,
        targets: OutputNames | None = None,
        extra_data: Mapping[str, Any] | None = None,
        before_post: Callable[[], None] | None = None,
    ) -> Job:
        """See :meth:`comfywire.Client.submit`."""
        return Job(
            wait(
                self._client.submit(
                    workflow,
                    inputs=inputs,
                    outputs=outputs,
                    prompt_id=prompt_id,
                    validate=validate,
                    front=front,
                    targets=targets,
                    extra_data=extra_data,
                    before_post=before_post,
                )
            )
        )

    def run(
        self,
        workflow: WorkflowSource,
        *,
        inputs: Mapping[str, Any] | None = None,
        outputs: OutputNames | None = None,
        on_progress: Callable[[JobProgress], None] | None = None,
        timeout: float | None = None,
        prompt_id: str | None = None,
        validate: bool = False,
        resubmit: int = 0,
        require_outputs: bool = True,
        front: bool = False,
        extra_data: Mapping[str, Any] | None = None,
    ) -> Result:
        """See :meth:`comfywire.Client.run`; ``on_progress`` is called in the background thread."""
        running = self._client.run(
            workflow,
            inputs=inputs,
            outputs=outputs,
            on_progress=on_progress or notebook_bar(),
            timeout=timeout,
            prompt_id=prompt_id,
            validate=validate,
            resubmit=resubmit,
            require_outputs=require_outputs,
            front=front,
            extra_data=extra_data,
        )
        return Result(wait(running))

    def check(self, *, no_prompt: bool = False) -> list[Finding]:
        """See :meth:`comfywire.Client.check`."""
        return wait(self._client.check(no_prompt=no_prompt))

    def attach(self, prompt_id: str, *, takes_over: bool = False) -> Job:
        """See :meth:`comfywire.Client.attach`."""
        return Job(LOOP.call(lambda: self._client.attach(prompt_id, takes_over=takes_over)))

    def queue(self, *, graphs: bool = True) -> QueueSnapshot:
        """See :meth:`comfywire.Client.queue`."""
        return wait(self._client.queue(graphs=graphs))

    def delete(self, *prompt_ids: str) -> None:
        """See :meth:`comfywire.Client.delete`."""
        wait(self._client.delete(*prompt_ids))

    def clear_queue(self) -> None:
        """See :meth:`comfywire.Client.clear_queue`."""
        wait(self._client.clear_queue())

    def history(self, prompt_id: str | None = None, *, max_items: int | None = 200) -> dict[str, Any]:
        """See :meth:`comfywire.Client.history`."""
        return wait(self._client.history(prompt_id, max_items=max_items))

    def delete_history(self, *prompt_ids: str) -> None:
        """See :meth:`comfywire.Client.delete_history`."""
        wait(self._client.delete_history(*prompt_ids))

    def clear_history(self) -> None:
        """See :meth:`comfywire.Client.clear_history`."""
        wait(self._client.clear_history())

    def interrupt(self, prompt_id: str | None = None) -> None:
        """See :meth:`comfywire.Client.interrupt`."""
        wait(self._client.interrupt(prompt_id))

    def free(self, *, unload_models: bool = True, free_memory: bool = True) -> None:
        """See :meth:`comfywire.Client.free`."""
        wait(self._client.free(unload_models=unload_models, free_memory=free_memory))

    def object_info(self, class_type: str | None = None) -> dict[str, Any]:
        """See :meth:`comfywire.Client.object_info`."""
        return wait(self._client.object_info(class_type))

    def system_stats(self) -> dict[str, Any]:
        """See :meth:`comfywire.Client.system_stats`."""
        return wait(self._client.system_stats())

    def features(self) -> dict[str, Any]:
        """See :meth:`comfywire.Client.features`."""
        return wait(self._client.features())

    def models(self, folder: str | None = None) -> list[str]:
        """See :meth:`comfywire.Client.models`."""
        return wait(self._client.models(folder))

    def embeddings(self) -> list[str]:
        """See :meth:`comfywire.Client.embeddings`."""
        return wait(self._client.embeddings())

    def upload(
        self,
        source: UploadSource,
        *,
        name: str | None = None,
        subfolder: str = "",
        type: str = "input",  # noqa: A002 (ComfyUI's word)
        overwrite: bool = False,
        on_progress: OnUpload | None = None,
    ) -> Upload:
        """See :meth:`comfywire.Client.upload`."""
        uploading = self._client.upload(
            source, name=name, subfolder=subfolder, type=type, overwrite=overwrite, on_progress=on_progress
        )
        return wait(uploading)

    def upload_mask(self, source: UploadSource, original: HasPlace, *, name: str | None = None) -> Upload:
        """See :meth:`comfywire.Client.upload_mask`."""
        return wait(self._client.upload_mask(source, original, name=name))

    def view(
        self,
        filename: str,
        *,
        subfolder: str = "",
        type: str = "output",  # noqa: A002 (ComfyUI's word)
        preview: str | None = None,
        channel: str | None = None,
    ) -> bytes:
        """See :meth:`comfywire.Client.view`."""
        viewing = self._client.view(
            filename, subfolder=subfolder, type=type, preview=preview, channel=channel
        )
        return wait(viewing)
