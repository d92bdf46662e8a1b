"""Our own client, unchanged, over the face: its whole fault suite, struck at two places.

``below``: between the service and its ComfyUI, which the worker has to survive so that the client notices
nothing. ``above``: between the client and the face, which the client has to survive as with any ComfyUI.
Tests of neither sockets, replies nor the server's life have one place. ``APART`` has what differs on purpose.
"""

import contextlib
import inspect
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from tests.faults import test_connections, test_endings, test_streams, test_submissions
from tests.faults.conftest import HASTE
from tests.service.relay.gate import Gate

from comfywire import Client
from comfywire.server import Server

SUITE = {
    name: test
    for module in (test_connections, test_endings, test_streams, test_submissions)
    for name, test in vars(module).items()
    if name.startswith("test_")
}
STRIKES = ("faults.sockets", "faults.replies", "faults.life", ".requests")
"""In whose tests it matters at which place something strikes, or is counted."""
APART: Mapping[str, Mapping[str, list[str]]] = {
    "below": {
        "the reply, the error or the delay is for the worker: the client was answered at once": [
            "test_a_prompt_that_a_restarted_server_may_have_run_is_not_sent_again",
            "test_a_server_that_answers_500_and_queues_nothing_is_believed",
            "test_a_cancelled_submission_leaves_nothing_behind",
        ],
        "the ComfyUI is away, or answers no read, and the job waits for it as long as the operator lets it": [
            "test_a_server_that_is_not_there_is_named",
            "test_a_server_that_never_comes_back_ends_the_wait_in_time",
            "test_a_state_read_that_is_never_answered_is_made_again",
        ],
        "the socket that goes deaf is the worker's, and what the test counts is the client's": [
            "test_a_deaf_socket_is_noticed_and_replaced",
            "test_a_deaf_socket_is_replaced_while_the_prompt_still_runs",
            "test_a_socket_that_goes_deaf_in_mid_prompt_costs_two_seconds",
            "test_what_another_socket_hears_proves_nothing_about_ours",
        ],
        "the ComfyUI's history is gone, and the store has what was made: success, without a warning": [
            "test_outputs_that_messages_named_survive_a_cleared_history",
            "test_a_success_whose_messages_and_history_are_gone_says_so",
        ],
        "the ComfyUI lost the prompt, and the service has it run once more: success": [
            "test_a_restarted_server_loses_what_it_had_and_nothing_else",
            "test_a_lost_prompt_is_submitted_again_where_the_caller_asked_for_it",
            "test_a_prompt_that_a_cleared_history_may_have_held_is_not_sent_again",
        ],
        "the ComfyUI lost the prompt, and the service has it wait once more, behind the one that is held": [
            "test_a_pending_prompt_that_somebody_deletes_is_missed_soon",
            "test_a_cleared_queue_is_told_to_every_prompt_in_it",
        ],
        "a node that ran out of memory runs once more: success": [
            "test_a_node_that_raises_is_named_with_all_that_is_known",
        ],
        "the worker of these tests gives a silent ComfyUI two seconds, and runs the prompt once more": [
            "test_a_server_that_refuses_connections_for_a_while_is_waited_for",
        ],
        "the worker of these tests looks at its ComfyUI, and its queue, five times a second": [
            "test_a_silent_node_costs_a_handful_of_requests",
            "test_newer_servers_list_jobs_without_their_graphs",
            "test_a_thousand_prompts_in_flight_resolve_when_each_is_done",
        ],
    },
    "above": {
        "the client takes 0.33.0's way of canceling there: the older routes are not asked": [
            "test_an_interrupt_that_comes_too_late_never_hits_the_next_prompt",
            "test_a_lost_reply_to_a_cancel_changes_nothing",
            "test_a_prompt_that_ends_between_two_reads_is_not_lost",
        ],
        "the address was away, and the service has the prompts and the histories still: nothing is lost": [
            "test_a_restarted_server_loses_what_it_had_and_nothing_else",
            "test_a_lost_prompt_is_submitted_again_where_the_caller_asked_for_it",
            "test_a_prompt_that_a_restarted_server_may_have_run_is_not_sent_again",
        ],
        "the ComfyUI's history is gone, and the store has what was made: success": [
            "test_a_prompt_that_a_cleared_history_may_have_held_is_not_sent_again",
            "test_a_success_whose_messages_and_history_are_gone_says_so",
        ],
        "a reader holds up the others where all have one queue, as on a ComfyUI; here each has its own": [
            "test_a_reader_that_has_stalled_the_servers_events_holds_up_no_result",
        ],
    },
}
pytestmark = [pytest.mark.hostile]
globals().update(SUITE)


def places_of(name: str) -> list[str]:
    """Where a test's faults are to strike."""
    is_between = any(strike in inspect.getsource(SUITE[name]) for strike in STRIKES)
    return [
        place
        for place in (["below", "above"] if is_between else ["below"])
        if not any(name in names for names in APART[place].values())
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test its places; one that has none is left out."""
    if "place" in metafunc.fixturenames:
        metafunc.parametrize("place", places_of(metafunc.function.__name__))


class Struck:
    """The test server behind a face, as the tests of faults know it, at the face or the gate."""

    def __init__(
        self, comfyui: Server, url: str, faults: Any, requests: Counter[str], gate: Gate | None = None
    ) -> None:
        self._comfyui = comfyui
        self._gate = gate
        self.url = url
        self.faults = faults
        self.requests = requests

    def __getattr__(self, name: str) -> Any:
        return getattr(self._comfyui, name)

    @property
    def life(self) -> Any:
        """The ComfyUI's, with the sockets that are struck."""
        opened = self._comfyui.life.sockets.by_sid.values() if self._gate is None else self._gate.opened
        by_sid = OfWorker({each.sid: each for each in opened})
        return SimpleNamespace(queue=self._comfyui.life.queue, sockets=SimpleNamespace(by_sid=by_sid))


class OfWorker(dict[str, Any]):
    """Sockets by their sid; below the service there is none of the client's, and the worker's is meant."""

    def __missing__(self, sid: str) -> Any:
        (only,) = self.values()
        return only


@contextlib.asynccontextmanager
async def struck(faces: Callable[..., Any], place: str, **options: Any) -> AsyncIterator[Struck]:
    async with faces(**options) as face, contextlib.AsyncExitStack() as stack:
        comfyui = face.servers[0]
        comfyui.log.clear()  # of what the worker tried
        comfyui.requests["POST /prompt"] = 0
        if place == "below":
            yield Struck(comfyui, face.url, comfyui.faults, comfyui.requests)
            return
        gate = await stack.enter_async_context(Gate(face.url))
        own, theirs = gate.faults, comfyui.faults
        below = {name: getattr(theirs, name) for name in ("files", "history", "messages", "nodes", "prompts")}
        faults = SimpleNamespace(**vars(own), **below)
        yield Struck(comfyui, gate.url, faults, gate.requests, gate)
        assert [rule for rule in own.replies.rules.rules if not rule.hits] == [], "it never struck"


@pytest.fixture
async def server(faces: Callable[..., Any], place: str) -> AsyncIterator[Struck]:
    async with struck(faces, place) as server:
        yield server


@pytest.fixture
async def newer(faces: Callable[..., Any], place: str) -> AsyncIterator[Struck]:
    async with struck(faces, place, profile="0.33.0") as server:
        yield server


@pytest.fixture
async def client(server: Struck) -> AsyncIterator[Client]:
    async with Client(server.url) as opened:
        yield opened


@pytest.fixture
async def hasty(server: Struck) -> AsyncIterator[Client]:
    client = Client(server.url)
    client._patience = HASTE
    async with client:
        yield client


def test_what_is_left_out_is_there_to_be_left_out() -> None:
    apart = [name for reasons in APART.values() for names in reasons.values() for name in names]

    assert set(apart) <= set(SUITE)
