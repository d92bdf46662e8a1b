"""The client: one server, one pool of connections, one socket for all jobs."""

from __future__ import annotations

import inspect
import re
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from comfywire.errors import ComfywireError, JobLost
from comfywire.workflow import Workflow
from comfywire.workflow.load import copied

from .connections import ClientConnections
from .job import Job, JobProgress
from .preparing import OutputNames, Ready, Request, WorkflowSource, load, names_in, prepare
from .results.notebook_bar import showing
from .results.result import Result
from .watch import Watch

if TYPE_CHECKING:
    from .check import Finding

__all__ = ["Client", "WorkflowSource"]

# What 0.25.0 and newer insist on (server.py, post_prompt, 0.33.0); older ones take any text.
CANONICAL_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Client(ClientConnections):
    """A ComfyUI server.

    ::

        async with comfywire.Client("http://127.0.0.1:8188") as client:
            result = await client.run("workflow_api.json", inputs={"KSampler.seed": 42})
            await result.save("out")

    The socket is opened with the first submission and serves all jobs. Any number of jobs may be open.

    Args:
        url: The server's address, with any path prefix; ``user:password@`` becomes basic authentication. By
            default ``$COMFYWIRE_SERVER`` with ``$COMFYWIRE_TOKEN``, as the command has them, else
            ``http://127.0.0.1:8188``. The token of the environment goes nowhere else.
        headers: Sent with every request and with the socket, to this origin only.
        token: Sent as a bearer token, likewise.
        verify: Whether an ``https`` certificate must be valid; False for self-signed ones.
        connect_timeout: Seconds until a connection must stand.
        read_timeout: Seconds of silence after which a request is given up.
        unreachable_timeout: Seconds for which the server may be unreachable before jobs that wait for it end
            with ConnectionLost; None waits for ever.
        upload_subfolder: Where below the server's input folder files for inputs go, each under its hash.
        reply_limits: What is taken from a server that is not trusted: sizes, times, redirects; what goes
            beyond ends with ReplyRefused.

    """

    async def load(self, source: WorkflowSource) -> Workflow:
        """Return the workflow that ``source`` is or holds, as this server understands it.

        The editor's documents are converted by this server's node types, which are asked for once.

        Raises:
            UnreadableWorkflow: It is none, and holds none.
            UnknownNode: The server lacks a node type that the conversion needs.

        """
        return await load(self, source, is_edited=True)

    async def submit(
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
        """Set ``inputs``, queue the workflow, and return a handle on its prompt.

        The server holds the prompt when this returns. If the reply is lost on the way, the prompt is looked
        up by its ``prompt_id`` and adopted, or sent again once it is certain that it did not arrive: it
        never runs twice. Cancelling this withdraws what was queued.

        Args:
            workflow: It is not changed.
            inputs: As in :meth:`run`.
            outputs: As in :meth:`run`.
            prompt_id: A lowercase UUID of your own, to find the prompt by later; by default a new one.
            validate: Whether to look for mistakes first, by this server's node types, asked for once.
            front: Whether it overtakes what is queued.
            targets: The output nodes to run, by node_id; in place of ``outputs``.
            extra_data: Passed on, such as ``api_key_comfy_org`` for paid nodes.
            before_post: Called right before each request that queues it; what it raises ends this, with that
                request not sent. For callers that hold a lease which may have passed to somebody else.

        Raises:
            UnknownNode, InvalidParameter: ``inputs`` or ``outputs`` do not fit the workflow.
            WorkflowRejected: The server's validator refused it; see ``node_errors``. Nothing is queued.
            InvalidWorkflow: Validating found what the server would refuse or drop. Nothing is queued.
            UnreadableWorkflow: ``workflow`` is none.
            ConnectionFailed: The server was not reached. Nothing is queued.
            ConnectionLost: The server went away and did not come back in time.
            ServerError: It answered with an error, and does not have the prompt.

        """
        self._must_be_open()
        prompt_id = self._new_prompt_id(prompt_id)
        ready = await prepare(self, _request(workflow, inputs, outputs, targets, validate=validate))
        return await self.submit_ready(
            ready, prompt_id=prompt_id, front=front, extra_data=extra_data, before_post=before_post
        )

    async def submit_ready(
        self,
        ready: Ready,
        *,
        prompt_id: str,
        front: bool = False,
        extra_data: Mapping[str, Any] | None = None,
        before_post: Callable[[], None] | None = None,
    ) -> Job:
        """Queue what :func:`~comfywire.client.preparing.prepare` returned; else as :meth:`submit`."""
        extra: dict[str, Any] = {"extra_data": _extra_data(ready.workflow, extra_data)}
        if front:
            extra["front"] = True
        if ready.targets is not None:
            extra["partial_execution_targets"] = ready.targets
        # The caller may go on changing the workflow while this one runs, or is sent again.
        prompt = copied(ready.workflow.prompt) if ready.is_shared else ready.workflow.prompt
        await self._follower.until_open()
        self._must_be_free(prompt_id)
        watch, node_errors = await self._submitter.submit(prompt_id, prompt, extra, before_post=before_post)
        return self._handle(watch, node_errors, ready)

    async def run(
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
        """Set ``inputs``, submit, wait, and return what the workflow produced.

        Cancelling this cancels the prompt on the server.

        Args:
            workflow: It is not changed.
            inputs: Values by parameter (``{"prompt": "a hill", "seed": "random"}``, see
                :meth:`Workflow.parameters`; those of a ``.params.toml`` beside the file win) or by
                ``"NODE.INPUT"``, NODE being an id, a title or a class_type that stands once. Where the
                input takes an upload, a path that exists, bytes, an open file or a picture is uploaded.
            outputs: Run only these output nodes: names of the parameters' outputs, titles, class_types or
                ids; of a subgraph those that are in it. A text is one name, and a number an id.
            on_progress: Called with each change, and with the end.
            timeout: Seconds to wait for the end; the prompt is cancelled then.
            prompt_id: As in :meth:`submit`.
            validate: As in :meth:`submit`.
            resubmit: How often a prompt that the server lost is submitted again, under the same prompt_id.
            require_outputs: Whether it is an error that an output which was asked for was not made: the
                server's validator dropped it, or its pictures went to a socket that was lost. With False the
                result has them in ``missing``, and among its ``warnings``.
            front: As in :meth:`submit`.
            extra_data: As in :meth:`submit`.

        Raises:
            OutputsMissing: Some of what was asked for was not made; ``outputs`` has what was.
            UnknownNode, InvalidParameter: ``inputs`` do not fit the workflow.
            JobError: It did not end well, see :meth:`Job.result`; and whatever :meth:`submit` raises.

        """
        if resubmit < 0:
            raise ValueError(f"resubmit is how often a lost prompt is submitted again, not {resubmit}")
        if inspect.iscoroutinefunction(on_progress):
            raise TypeError("on_progress is called, not awaited: give a plain function")
        prompt_id = self._new_prompt_id(prompt_id)
        request = _request(workflow, inputs, outputs, validate=validate)
        sending = {"prompt_id": prompt_id, "front": front, "extra_data": extra_data}
        with showing(on_progress, self.news) as told:
            ready = await prepare(self, request)
            result = await self._until_made(ready, sending, told, timeout=timeout, resubmit=resubmit)
        if require_outputs:
            result.must_be_whole()
        return result

    async def _until_made(
        self,
        ready: Ready,
        sending: dict[str, Any],
        on_progress: Callable[[JobProgress], None] | None,
        *,
        timeout: float | None,
        resubmit: int,
    ) -> Result:
        for left in range(resubmit, -1, -1):
            job = await self.submit_ready(ready, **sending)
            try:
                return await job.result(timeout, on_progress=on_progress)
            except JobLost:
                if not left:
                    raise
                await ready.renew()
            except ComfywireError:
                raise
            except BaseException:  # cancelled, or on_progress raised
                await job.withdraw()
                raise
        raise AssertionError("the last round returns or raises")

    async def check(self, *, no_prompt: bool = False) -> list[Finding]:
        """Find out whether the server is ready: reached, let in, read, written to, and heard.

        An event of a tiny prompt must arrive within two seconds, and its result by reading: "ready" means
        that both work. Cancelling takes the prompt back.

        Args:
            no_prompt: Whether to queue nothing; whether events arrive is not found out then.

        """
        from .check import check  # noqa: PLC0415 - few ask, and it has much to import

        return await check(self, self.submit, no_prompt=no_prompt, greeting=self._patience.greeting)

    def attach(self, prompt_id: str, *, takes_over: bool = False) -> Job:
        """Return a handle on a prompt that somebody else, or an earlier process, submitted.

        Its end and its outputs are found by reading, soon after they are there; its messages go to whoever
        submitted it. A prompt that the server does not know ends as :class:`~comfywire.JobLost`.

        Args:
            prompt_id: Which prompt.
            takes_over: Whether to hear what its submitter would be told from now on, pictures of
                SaveImageWebsocket, say. A server tells one socket of a client_id: the submitter must be gone.

        """
        self._must_be_open()
        return self._handle(self._follower.attach(prompt_id, takes_over=takes_over))

    def _handle(
        self, watch: Watch, node_errors: Mapping[str, Any] | None = None, ready: Ready | None = None
    ) -> Job:
        return Job(
            watch,
            url=self.url,
            downloads=self.downloads,
            canceller=self.canceller,
            news=self.news,
            node_errors=node_errors,
            inputs=ready.inputs if ready else None,
            warnings=ready.warnings if ready else (),
        )

    def _new_prompt_id(self, wanted: str | None) -> str:
        if wanted is None:
            return str(uuid.uuid4())
        if not CANONICAL_UUID.fullmatch(wanted):
            raise ValueError(f"prompt_id {wanted!r} is not a lowercase UUID, which newer servers insist on")
        return wanted

    def _must_be_free(self, prompt_id: str) -> None:
        if self._follower.is_following(prompt_id):
            raise ValueError(f"prompt_id {prompt_id!r} is open on this client already: attach to it")


def _request(
    workflow: WorkflowSource,
    inputs: Mapping[str, Any] | None,
    outputs: OutputNames | None,
    targets: OutputNames | None = None,
    *,
    validate: bool,
) -> Request:
    if inputs is not None and not isinstance(inputs, Mapping):
        raise TypeError('inputs is a dictionary such as {"prompt": "a hill"}')
    if outputs and targets is not None:
        raise ValueError("outputs and targets both say what is to run: give one of them")
    names = () if outputs is None else names_in(outputs, "outputs")
    ids = None if targets is None else names_in(targets, "targets")
    return Request(workflow, inputs or {}, outputs=names, targets=ids, is_checked=validate)


def _extra_data(workflow: Workflow, extra_data: Mapping[str, Any] | None) -> dict[str, Any]:
    """The editor's document goes along, so that saved files can be opened in the editor again.

    Nulls are left out: they break listings of newer servers (comfyui-protocol.md 1.7).
    """
    given = {key: value for key, value in (extra_data or {}).items() if value is not None}
    if workflow.document is not None:
        given = {"extra_pnginfo": {"workflow": workflow.document}, **given}
    return given
