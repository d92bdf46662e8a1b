import uuid

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from comfywire.service.tracing import job_span

EXPORTER = InMemorySpanExporter()


@pytest.fixture
def spans():
    """Spans that have ended, as an operator's SDK gets them. A process has one provider for good."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
        trace.set_tracer_provider(provider)
    EXPORTER.clear()
    return EXPORTER.get_finished_spans


def test_a_jobs_trace_is_its_prompt_id(spans):
    prompt_id = uuid.uuid4()

    with job_span("run", prompt_id, server="http://a"):
        pass

    (span,) = spans()
    assert span.context.trace_id == prompt_id.int
    assert span.attributes == {"comfywire.prompt_id": str(prompt_id), "server": "http://a"}


def test_spans_of_two_processes_have_one_parent(spans):
    prompt_id = uuid.uuid4()

    for name in ("submit", "run"):
        with job_span(name, prompt_id):
            pass

    submitted, ran = spans()
    assert submitted.parent == ran.parent


def test_a_span_inside_another_of_its_job_is_its_child(spans):
    prompt_id = uuid.uuid4()

    with job_span("run", prompt_id), job_span("fetch outputs", prompt_id):
        pass

    inner, outer = spans()
    assert inner.parent.span_id == outer.context.span_id


def test_the_request_that_submitted_it_is_linked(spans):
    prompt_id = uuid.uuid4()

    with (
        trace.get_tracer("caller").start_as_current_span("request") as request,
        job_span("submit", prompt_id),
    ):
        pass

    submitted = next(span for span in spans() if span.name == "submit")
    assert submitted.context.trace_id == prompt_id.int
    assert [link.context for link in submitted.links] == [request.get_span_context()]


def test_an_error_passes_and_is_recorded(spans):
    with pytest.raises(ValueError, match="wrong"), job_span("run", uuid.uuid4()):
        raise ValueError("wrong")

    assert spans()[0].status.status_code is trace.StatusCode.ERROR
