import uuid

import pytest

from comfywire.service.access.keys import Caller
from comfywire.service.access.limits import RateLimited, RateLimits


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def caller(per_minute: int | None = None) -> Caller:
    return Caller(uuid.uuid4(), "one", frozenset({"read"}), per_minute)


def taken(limits: RateLimits, who: Caller, most: int = 100) -> int:
    for count in range(most):
        try:
            limits.take(who)
        except RateLimited:
            return count
    return most


def test_a_minutes_worth_of_requests_passes_at_once() -> None:
    assert taken(RateLimits(10, clock=Clock()), caller()) == 10


def test_one_too_many_is_told_when_to_come_again() -> None:
    limits, who = RateLimits(10, clock=Clock()), caller()
    taken(limits, who)

    with pytest.raises(RateLimited, match="10 requests a minute") as raised:
        limits.take(who)

    assert raised.value.retry_after == pytest.approx(6.0)


def test_who_waits_as_told_is_let_in_and_no_sooner() -> None:
    clock = Clock()
    limits, who = RateLimits(10, clock=clock), caller()
    taken(limits, who)

    clock.now = 5.9
    assert taken(limits, who) == 0

    clock.now = 6.1
    assert taken(limits, who) == 1


def test_a_long_pause_saves_up_no_more_than_a_minute() -> None:
    clock = Clock()
    limits, who = RateLimits(10, clock=clock), caller()
    taken(limits, who)

    clock.now = 3600.0

    assert taken(limits, who) == 10


def test_keys_do_not_use_up_each_others_requests() -> None:
    limits = RateLimits(10, clock=Clock())
    taken(limits, caller())

    assert taken(limits, caller()) == 10


@pytest.mark.parametrize(
    ("default", "own", "expected"), [(None, None, 100), (10, None, 10), (10, 3, 3), (None, 3, 3), (3, 10, 10)]
)
def test_a_keys_own_limit_goes_before_the_services(
    default: int | None, own: int | None, expected: int
) -> None:
    assert taken(RateLimits(default, clock=Clock()), caller(own)) == expected
