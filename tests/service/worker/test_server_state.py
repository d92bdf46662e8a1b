"""What a worker concludes about one ComfyUI: values and a time go in, decisions come out."""

from uuid import UUID

import pytest

from comfywire.service.worker.pace import Pace
from comfywire.service.worker.server_state import Condition, Due, ServerState

PACE = Pace(look=2.0, probes=(0.5, 1.0, 5.0), broken_probes=(5.0, 15.0))
KEY = UUID(int=1)


def state(*, slots: int = 2, up: bool = True) -> ServerState:
    made = ServerState(slots=slots, proven={"sound"}, pace=PACE)
    if up:
        made.came_up(now=0.0)
    return made


def fail(server: ServerState, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        server.failed(KEY, "sound", 1.0, now)


def test_a_new_server_is_probed_at_once_and_given_nothing():
    server = state(up=False)

    assert (server.condition, server.has_room, server.due(0.0)) == (Condition.DOWN, False, Due.PROBE)


def test_a_server_that_is_away_is_probed_more_and_more_rarely():
    server, now, pauses = state(up=False), 0.0, []
    for _ in range(4):
        server.probe_begins(now)
        server.probe_failed("nobody answers", now)
        pauses.append(server.next_due(now))
        now += pauses[-1]

    assert pauses == [0.5, 1.0, 5.0, 5.0]
    assert server.reason == "nobody answers"


def test_one_that_came_back_and_goes_again_is_probed_soon():
    server = state(up=False)
    for now in range(9):
        server.probe_begins(float(now))
    server.came_up(9.0)

    server.went_away("gone", 10.0)

    assert server.next_due(10.0) == 0.5


def test_a_server_that_is_up_is_looked_at_every_two_seconds_and_when_somebody_asks():
    server = state()
    server.look_begins(10.0)

    assert [server.due(now) for now in (10.0, 11.9, 12.0)] == [None, None, Due.LOOK]
    assert server.due(10.5, is_asked=True) is Due.LOOK


def test_asking_does_not_hurry_the_probe_of_one_that_is_away():
    server = state()
    server.went_away("gone", 10.0)

    assert [server.due(now, is_asked=True) for now in (10.4, 10.5)] == [None, Due.PROBE]


def test_room_is_what_the_slots_leave():
    server = state(slots=2)
    server.took("a")
    assert server.has_room
    server.took("b")
    assert not server.has_room
    server.let_go("a")
    assert server.has_room


def test_where_other_people_have_prompts_ours_go_one_at_a_time():
    server = state(slots=3)
    server.took("ours")
    server.queue_was_read(["theirs"], ["ours", "theirs too"], 1.0)

    assert (server.foreign, server.has_room) == (2, False)
    server.let_go("ours")
    assert server.has_room


@pytest.mark.parametrize("wanted", ["paused", "draining"])
def test_what_the_operator_holds_back_has_no_room(wanted: str):
    server = state()
    server.want(wanted)

    assert not server.has_room


def test_job_after_job_that_fails_takes_the_server_out_for_longer_each_time():
    server = state()
    fail(server, 5)
    first = (server.condition, server.next_due(0.0), server.reason)
    server.came_up(20.0)
    fail(server, 1, now=20.0)

    assert first == (Condition.BROKEN, 5.0, "5 jobs in a row failed on it")
    assert (server.condition, server.next_due(20.0)) == (Condition.BROKEN, 15.0)


def test_what_fails_on_a_server_that_is_away_already_changes_nothing():
    server = state()
    server.went_away("gone", 0.0)
    fail(server, 9)

    assert (server.condition, server.reason) == (Condition.DOWN, "gone")


OTHER = UUID(int=2)


def test_an_error_that_one_key_s_data_may_have_provoked_is_looked_into_and_costs_the_others_nothing():
    server = state()
    for now in range(9):
        server.refused(KEY, "HTTP 500", float(now))
        doubted = (server.condition, server.has_room, server.due(float(now)))
        server.came_up(float(now))

    assert doubted == (Condition.UP, False, Due.PROBE)
    assert (server.condition, server.has_room, server.counts["down"]) == (Condition.UP, True, 0)


def test_an_error_that_a_probe_confirms_is_the_server_s():
    server = state()
    server.refused(KEY, "HTTP 500", 1.0)
    server.probe_failed("it answers nothing", 2.0)

    assert (server.condition, server.reason, server.counts["down"]) == (
        Condition.DOWN,
        "it answers nothing",
        1,
    )


def test_errors_for_two_keys_one_after_the_other_are_the_server_s():
    server = state()
    server.refused(KEY, "HTTP 500", 1.0)
    server.came_up(1.0)
    server.refused(OTHER, "HTTP 500", 2.0)

    assert server.condition is Condition.DOWN


def test_a_success_between_them_says_that_it_works():
    server = state()
    server.refused(KEY, "HTTP 500", 1.0)
    server.came_up(1.0)
    server.succeeded("sound")
    server.refused(OTHER, "HTTP 500", 2.0)

    assert server.condition is Condition.UP


def test_a_probe_that_a_doubt_asked_for_forgives_no_failures():
    server = state()
    fail(server, 4)
    server.refused(KEY, "HTTP 500", 1.0)
    server.came_up(1.0)
    fail(server, 1)

    assert server.condition is Condition.BROKEN


def test_a_server_that_holds_on_to_a_prompt_is_stuck_until_that_is_gone():
    server = state()
    server.took("held")
    server.queue_was_read(["held"], [], 1.0)
    server.got_stuck("it does not let go", 2.0, prompt_id="held")
    server.let_go("held")
    still = (server.condition, server.has_room, server.running_since, server.foreign)
    server.queue_was_read([], [], 9.0)

    assert still == (Condition.STUCK, False, 1.0, 0)
    assert (server.abandoned, server.running_since) == (set(), None)


@pytest.mark.parametrize(
    ("looks", "stands_for"),
    [
        pytest.param([([], ["a", "b"])] * 3, 2.0, id="it-begins-none"),
        pytest.param([(["theirs"], ["a"])] * 3, 0.0, id="it-runs-somebody-s"),
        pytest.param([([], ["a"]), ([], ["a"]), ([], ["b"])], 0.0, id="it-moves"),
        pytest.param([([], [])] * 3, 0.0, id="it-has-none"),
    ],
)
def test_a_server_stands_that_has_prompts_and_begins_none(
    looks: list[tuple[list[str], list[str]]], stands_for: float
):
    server = state()
    for now, (running, pending) in enumerate(looks):
        server.queue_was_read(running, pending, float(now))

    assert server.stands_for(3.0) == stands_for


def test_what_waited_behind_a_prompt_that_was_lost_has_not_begun_whoever_asks_first():
    for first, second in (("runs", "waits"), ("waits", "runs")):
        server = state()
        server.took("runs")
        server.took("waits")
        server.began("runs")

        found = {prompt_id: server.may_have_begun(prompt_id) for prompt_id in (first, second)}

        assert found == {"runs": True, "waits": False}


def test_what_waited_alone_or_behind_one_that_ended_may_have_begun():
    server = state()
    server.took("done")
    server.took("waits")
    server.began("done")
    server.ended("done")

    assert server.may_have_begun("waits")


def test_what_is_sent_later_is_not_spared_for_what_was_lost_earlier():
    server = state()
    server.took("runs")
    server.began("runs")
    server.may_have_begun("runs")
    server.let_go("runs")
    server.took("later")

    assert server.may_have_begun("later")


def test_nothing_is_sent_behind_a_prompt_that_runs_alone():
    server = state(slots=3)
    server.took("suspect")
    server.runs_alone("suspect")
    before = server.has_room
    server.let_go("suspect")

    assert (before, server.has_room) == (False, True)


def test_a_server_that_went_twice_is_counted_once():
    server = state()
    server.went_away("first", 0.0)
    server.went_away("second", 1.0)

    assert (server.reason, server.counts["down"]) == ("first", 1)


def test_the_models_of_the_last_job_that_had_any_are_loaded():
    server = state()
    server.took("a", frozenset({"x.safetensors"}))
    server.took("b")

    assert server.loaded == {"x.safetensors"}
