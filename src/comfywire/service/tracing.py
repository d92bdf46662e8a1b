"""OpenTelemetry spans, where ``opentelemetry-api`` and an SDK are installed; nothing otherwise.

The id of a job's trace is its prompt_id: both are 128 bits. So the spans of all processes that handle a job
meet in one trace although no process hands a context on, and an operator finds the trace by the prompt_id.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from uuid import UUID

try:
    from opentelemetry import trace
except ImportError:  # pragma: no cover - the extra is installed where tests run
    trace = None  # type: ignore[assignment]

__all__ = ["job_span"]


@contextlib.contextmanager
def job_span(name: str, prompt_id: UUID, **attributes: str | float | bool) -> Iterator[None]:
    """Record what happens inside as a span of the job's trace; an error inside is recorded and raised on.

    A span of another trace in which this is called, such as the submitting request's, is linked: one trace
    leads to the other.
    """
    # Without an SDK the API makes spans that nobody sees, for a hundredth of a job's processor time.
    if trace is None or isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        yield
        return
    around = trace.get_current_span().get_span_context()
    is_other = around.is_valid and around.trace_id != prompt_id.int
    with trace.get_tracer("comfywire.service").start_as_current_span(
        name,
        context=None if around.is_valid and not is_other else trace.set_span_in_context(_root(prompt_id)),
        attributes={"comfywire.prompt_id": str(prompt_id), **attributes},
        links=[trace.Link(around)] if is_other else [],
    ):
        yield


def _root(prompt_id: UUID) -> trace.Span:
    """Return the parent of all spans of a job: no process records it, every process derives the same one."""
    context = trace.SpanContext(
        trace_id=prompt_id.int,
        span_id=prompt_id.int & (2**64 - 1) or 1,
        is_remote=True,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )
    return trace.NonRecordingSpan(context)
