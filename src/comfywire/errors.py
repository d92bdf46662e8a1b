"""Every exception that Comfywire raises on purpose, grouped by what a caller does next.

::

    ComfywireError
      ConnectionFailed          nothing was sent: check the address, retry freely
      ConnectionLost            something may have been sent: look before retrying
      ServerError               the server refused or failed: status, method, path, body
      UnexpectedReply           the server broke its own protocol
        ReplyRefused            its answer is too large, too slow, or comes from elsewhere
      MissingExtra              an optional part is not installed; the message has the command
      UnsafeName                a file name that cannot be made safe, or leads elsewhere (also a ValueError)
      WorkflowError
        UnreadableWorkflow      not a workflow, or none in this file
        UncertainWorkflow       strict was asked, and the conversion had warnings: read them
        UnusablePack            the rules of a node pack that were named cannot be loaded
        UnknownNode             no such node, or several; also a class_type that is not installed
        InvalidParameter        an input or a value that the node does not have or offer
          UnknownInput          the node has no such input (also an AttributeError)
          InvalidMask           a mask that would mask something else than was meant (also a ValueError)
        InvalidWorkflow         what the server would refuse or drop, found before sending
        WorkflowRejected        the server's error and node_errors
      JobError                  prompt_id, outputs
        JobFailed               a node raised: node_id, class_type, exception_type, traceback
        JobInterrupted          somebody interrupted the prompt, or cancelled it
        JobLost                 the server no longer knows the prompt, and nothing says how it ended
        OutputsGone             it ended well, but the server has forgotten the results
        OutputsMissing          it ended well, but did not make all that was asked for
        JobTimedOut             the caller's own time limit passed (also a TimeoutError)

Misuse of the API (a client that is not open, a wrong argument) is RuntimeError, ValueError or TypeError: a
bug to fix, not a case to catch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "ComfywireError",
    "ConnectionFailed",
    "ConnectionLost",
    "InvalidMask",
    "InvalidParameter",
    "InvalidWorkflow",
    "JobError",
    "JobFailed",
    "JobInterrupted",
    "JobLost",
    "JobTimedOut",
    "MissingExtra",
    "OutputsGone",
    "OutputsMissing",
    "ReplyRefused",
    "ServerError",
    "UncertainWorkflow",
    "UnexpectedReply",
    "UnknownInput",
    "UnknownNode",
    "UnreadableWorkflow",
    "UnsafeName",
    "UnusablePack",
    "WorkflowError",
    "WorkflowRejected",
]


class ComfywireError(Exception):
    """Comfywire could not do what was asked."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive copying and pickling, which would else call ``__init__`` with ``args`` alone."""
        return _rebuild, (type(self), self.args, self.__dict__)


class ConnectionFailed(ComfywireError):
    """The server was not reached; nothing was sent. Check the address, or try again."""


class ConnectionLost(ComfywireError):
    """The connection broke while a request was under way; the server may have acted on it."""


class UnexpectedReply(ComfywireError):
    """The server sent something that its protocol does not allow."""


class ReplyRefused(UnexpectedReply):
    """The server's answer is larger, slower or from further away than the client's limits allow."""


class UnsafeName(ComfywireError, ValueError):
    """The name of a file leaves no safe name to save it under, or is none that the server could keep."""


class ServerError(ComfywireError):
    """The server answered a request with an error status."""

    def __init__(self, status: int, method: str, path: str, body: str = "") -> None:
        self.status = status
        self.method = method
        self.path = path
        self.body = body
        super().__init__(status, method, path, body)

    def __str__(self) -> str:
        excerpt = " ".join(self.body.split())[:200]
        said = f": {excerpt}" if excerpt else " and no further words"
        # ComfyUI's own limit is 100 MB (cli_args.py, --max-upload-size, 0.3.64); proxies have others.
        hint = "; start ComfyUI with a larger --max-upload-size, or let its proxy pass more"
        return (
            f"{self.method} {self.path} was answered {self.status}{said}{hint if self.status == 413 else ''}"
        )


class MissingExtra(ComfywireError, ImportError):
    """An optional part of Comfywire is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        self.feature = feature
        self.extra = extra
        # Not by name: no index has this package, and whoever gives it one there is somebody else.
        super().__init__(
            f"{feature} needs the extra '{extra}': in a clone of Comfywire, pip install \".[{extra}]\""
        )


class WorkflowError(ComfywireError):
    """Something is wrong with the workflow; no prompt was queued."""


class UnreadableWorkflow(WorkflowError):
    """This is no workflow, or holds none."""


class UncertainWorkflow(WorkflowError):
    """The workflow could not be converted without a doubt, and ``strict`` refuses doubts.

    Attributes:
        warnings: What is doubtful, one sentence each.

    """

    def __init__(self, warnings: Sequence[str]) -> None:
        self.warnings = list(warnings)
        super().__init__(warnings)

    def __str__(self) -> str:
        count = len(self.warnings)
        return f"the conversion has {count} warning{'s' * (count != 1)}: " + "; ".join(self.warnings)


class UnusablePack(WorkflowError):
    """A file that was named as a node pack's rules cannot be loaded, or has none."""


class UnknownNode(WorkflowError):
    """The workflow has no such node, or more than one."""


class InvalidParameter(WorkflowError):
    """An input that the node does not have, or a value that it does not take."""


class UnknownInput(InvalidParameter, AttributeError):
    """The node has no such input (an AttributeError too, so that ``hasattr(node, name)`` works)."""


class InvalidMask(InvalidParameter, ValueError):
    """A mask that would mask something else than was meant, or nothing."""


class InvalidWorkflow(WorkflowError):
    """Validating before sending found what the server would refuse, or silently drop.

    Attributes:
        problems: Each with ``sentence``, ``node_id``, ``class_type``, ``input``, ``allowed``, ``nearest``.

    """

    def __init__(self, problems: Sequence[Any]) -> None:
        self.problems = list(problems)
        super().__init__(problems)

    def __str__(self) -> str:
        return "the workflow is not valid: " + "; ".join(str(problem) for problem in self.problems)


class WorkflowRejected(WorkflowError):
    """The server's validator refused the prompt; nothing was queued.

    Attributes:
        error: The server's ``error``: ``type``, ``message``, ``details``, ``extra_info``.
        node_errors: The server's ``node_errors`` by node_id; each has ``class_type``, ``errors``
            and ``dependent_outputs``.
        sentences: One readable sentence for each error, naming node, class_type and input.

    """

    def __init__(
        self, error: Mapping[str, Any], node_errors: Mapping[str, Any], sentences: Sequence[str]
    ) -> None:
        self.error = dict(error)
        self.node_errors = dict(node_errors)
        self.sentences = list(sentences)
        super().__init__(error, node_errors, sentences)

    def __str__(self) -> str:
        return "the server rejected the prompt: " + "; ".join(self.sentences)


class JobError(ComfywireError):
    """A prompt that was queued did not end well.

    Attributes:
        prompt_id: Which prompt.
        outputs: What it had finished before, in node order (``list[Output]``); they can still be read.

    """

    def __init__(self, message: str, *, prompt_id: str, outputs: Sequence[Any] = ()) -> None:
        self.prompt_id = prompt_id
        self.outputs = list(outputs)
        super().__init__(message)


class JobFailed(JobError):
    """A node raised while the prompt ran.

    Attributes:
        node_id: The node of the submitted graph that raised, or None when the server did not say.
        class_type: Its type.
        exception_type: The Python class, module-qualified unless it is a builtin.
        exception_message: What the exception said, without the trailing line break.
        traceback: The server's traceback, one string a line.

    """

    def __init__(
        self,
        message: str,
        *,
        prompt_id: str,
        outputs: Sequence[Any] = (),
        node_id: str | None = None,
        class_type: str | None = None,
        exception_type: str | None = None,
        exception_message: str = "",
        traceback: Sequence[str] = (),
    ) -> None:
        self.node_id = node_id
        self.class_type = class_type
        self.exception_type = exception_type
        self.exception_message = exception_message
        self.traceback = list(traceback)
        super().__init__(message, prompt_id=prompt_id, outputs=outputs)


class JobInterrupted(JobError):
    """The prompt was interrupted or cancelled.

    Attributes:
        node_id: The node that was running, or None for a prompt that had not started.
        class_type: Its type.

    """

    def __init__(
        self,
        message: str,
        *,
        prompt_id: str,
        outputs: Sequence[Any] = (),
        node_id: str | None = None,
        class_type: str | None = None,
    ) -> None:
        self.node_id = node_id
        self.class_type = class_type
        super().__init__(message, prompt_id=prompt_id, outputs=outputs)


class JobLost(JobError):
    """The server no longer knows the prompt: deleted, cleared, or forgotten by a restart."""


class OutputsGone(JobError):
    """The prompt ended well, but its history entry was cleared or evicted before it could be read."""


class OutputsMissing(JobError):
    """The prompt ended well, but did not make what was asked for; ``outputs`` has what it did make."""


class JobTimedOut(JobError, TimeoutError):
    """The job did not end within the caller's own time limit."""


def _rebuild(kind: type[ComfywireError], args: tuple[Any, ...], state: dict[str, Any]) -> ComfywireError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error
