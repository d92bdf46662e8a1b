import itertools
from uuid import UUID

from comfywire.service.jobs.headroom import GOOD_FOR, PROCESSES, Headroom

KEY, OTHER = UUID(int=1), UUID(int=2)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(headroom: Headroom, key_id: UUID = KEY) -> int:
    return sum(1 for _ in itertools.takewhile(lambda _: headroom.take(key_id), itertools.count()))


def test_who_has_not_counted_has_no_room() -> None:
    assert taken(Headroom(Clock())) == 0


def test_who_has_counted_has_one_process_share_of_what_is_spare() -> None:
    headroom = Headroom(Clock())

    headroom.counted(KEY, 10 * PROCESSES + 1)

    assert (taken(headroom, OTHER), taken(headroom), taken(headroom)) == (0, 10, 0)


def test_a_count_is_not_added_to_what_is_left_of_the_one_before() -> None:
    headroom = Headroom(Clock())

    for _ in range(3):
        headroom.counted(KEY, 2 * PROCESSES)

    assert taken(headroom) == 2


def test_a_count_is_good_for_a_second() -> None:
    clock = Clock()
    headroom = Headroom(clock)
    headroom.counted(KEY, 100 * PROCESSES)

    clock.now += GOOD_FOR - 0.001
    assert headroom.take(KEY)

    clock.now += 0.001
    assert not headroom.take(KEY)


def test_a_key_that_is_nearly_full_has_no_room() -> None:
    headroom = Headroom(Clock())

    for spare in (PROCESSES - 1, 0, -5):
        headroom.counted(KEY, spare)
        assert not headroom.take(KEY)
