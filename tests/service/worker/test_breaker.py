"""Which failures in a row are the server's doing, and which are one key's broken workflow."""

from uuid import UUID

import pytest

from comfywire.service.worker.breaker import SLOW, Breaker

ONE, OTHER = UUID(int=1), UUID(int=2)


def broken_after(breaker: Breaker, *failures: tuple[UUID, str], seconds: float = 1.0) -> int | None:
    """How many of these failures it takes until the server should go; None if they are not enough."""
    for number, (key_id, need) in enumerate(failures, 1):
        if breaker.failed(key_id, need, seconds):
            return number
    return None


@pytest.mark.parametrize(
    ("proven", "failures", "after"),
    [
        pytest.param(set(), [(ONE, "a")] * 50, None, id="a-workflow-that-never-worked"),
        pytest.param({"b"}, [(ONE, "a")] * 50, None, id="another-one-worked"),
        pytest.param(set(), [(ONE, "a")] * 50 + [(OTHER, "b")], None, id="somebody-else-s-failed-once"),
        pytest.param({"a"}, [(ONE, "a")] * 50, 5, id="it-has-worked"),
        pytest.param(set(), [(ONE, "a"), (OTHER, "a")] * 9, 5, id="two-keys"),
        pytest.param(set(), [(ONE, "a"), (ONE, "b")] * 9, 5, id="two-kinds"),
        pytest.param(set(), [(ONE, name) for name in "abcde"], 5, id="whatever-it-is"),
        pytest.param(set(), [(ONE, "a")] * 50 + [(OTHER, "b")] * 9, 52, id="somebody-else-s-fail-too"),
        pytest.param({"b"}, [(ONE, "a")] * 50 + [(OTHER, "b")] * 9, 52, id="what-has-worked-fails-too"),
    ],
)
def test_failures_in_a_row_are_the_server_s_unless_they_are_one_kind_that_never_worked(
    proven: set[str], failures: list[tuple[UUID, str]], after: int | None
):
    assert broken_after(Breaker(proven), *failures) == after


def test_a_success_forgives_what_failed_before():
    breaker = Breaker({"a"})
    broken_after(breaker, *[(ONE, "a")] * 4)

    breaker.succeeded("b")

    assert broken_after(breaker, *[(ONE, "a")] * 9) == 5


def test_a_success_on_another_server_shows_that_the_workflow_is_sound():
    proven: set[str] = set()
    here, there = Breaker(proven), Breaker(proven)
    assert broken_after(here, *[(ONE, "a")] * 9) is None

    there.succeeded("a")

    assert broken_after(here, (ONE, "a")) == 1


def test_what_fails_after_long_says_half_as_much():
    assert broken_after(Breaker({"a"}), *[(ONE, "a")] * 50, seconds=SLOW) == 10


def test_a_server_that_came_back_and_fails_again_goes_at_once():
    breaker = Breaker({"a"})
    broken_after(breaker, *[(ONE, "a")] * 5)
    breaker.broke()

    breaker.came_back()

    assert broken_after(breaker, (ONE, "a")) == 1


def test_what_had_failed_before_it_came_back_does_not_take_it_out_again():
    breaker = Breaker(set())
    broken_after(breaker, *[(ONE, "a"), (OTHER, "b")] * 3)
    breaker.broke()

    breaker.came_back()

    assert broken_after(breaker, *[(ONE, "a")] * 50) is None
    assert broken_after(breaker, (OTHER, "b")) == 1  # another kind that failed before: then it is the server


def test_something_new_that_fails_on_it_does():
    breaker = Breaker({"sound"})
    broken_after(breaker, *[(ONE, "a"), (OTHER, "b")] * 3)
    breaker.broke()

    breaker.came_back()

    assert broken_after(breaker, (ONE, "a"), (OTHER, "new")) == 2


def test_a_server_that_was_only_away_is_not_held_to_what_failed_before():
    breaker = Breaker({"a"})
    broken_after(breaker, *[(ONE, "a")] * 4)

    breaker.came_back()

    assert broken_after(breaker, *[(ONE, "a")] * 9) == 5


def test_it_counts_what_failed_in_a_row_and_how_often_it_went():
    breaker = Breaker({"a"})
    broken_after(breaker, *[(ONE, "a")] * 5)
    breaker.broke()
    assert (breaker.failures, breaker.breaks) == (5, 1)

    breaker.succeeded("a")

    assert (breaker.failures, breaker.breaks) == (0, 0)
