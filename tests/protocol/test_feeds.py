"""Which sockets should be open, and which of them is deaf: decided on values and ``now``."""

import itertools
from math import inf

import pytest

from comfywire.protocol.feeds import (
    ECHOES,
    FIRST_REOPENING,
    OWED_WORD,
    SAME_MOMENT,
    WITNESS_AFTER,
    FeedKey,
    FeedWatch,
)


def watch() -> FeedWatch:
    """A main feed that opened at 0 under the id "a"; later ids are "b", "c", ..."""
    feeds = FeedWatch(iter("abcdefgh").__next__)
    feeds.opened(FeedKey("a", 0), 0.0)
    return feeds


def test_one_socket_is_wanted_from_the_start() -> None:
    feeds = FeedWatch(iter("abc").__next__)

    assert feeds.wanted() == (FeedKey("a", 0),)
    assert (feeds.is_open, feeds.client_id) == (False, "a")


def test_a_lost_main_feed_gets_a_fresh_id() -> None:
    feeds = watch()

    feeds.lost(FeedKey("a", 0), set())

    assert feeds.wanted() == (FeedKey("b", 0),)


def test_the_lost_id_is_reopened_beside_it_while_it_has_open_prompts() -> None:
    feeds = watch()

    feeds.lost(FeedKey("a", 0), {"a"})

    assert feeds.wanted() == (FeedKey("b", 0), FeedKey("a", 1))
    feeds.retire({"b"})
    assert feeds.wanted() == (FeedKey("b", 0),)


def test_the_id_of_somebody_who_is_gone_is_heard_beside_the_main_feed() -> None:
    feeds = watch()

    feeds.take_over("old")
    feeds.take_over("old")
    feeds.take_over("a")

    assert feeds.wanted() == (FeedKey("a", 0), FeedKey("old", 0))
    feeds.retire({"a", "old"})
    assert FeedKey("old", 0) in feeds.wanted()
    feeds.retire({"a"})
    assert feeds.wanted() == (FeedKey("a", 0),)


def test_no_more_ids_are_heard_than_there_are_echoes() -> None:
    feeds = watch()

    for number in range(ECHOES + 1):
        feeds.take_over(str(number))

    assert len(feeds.wanted()) == 1 + ECHOES


def test_a_feed_that_never_opened_is_tried_again_under_its_id() -> None:
    feeds = FeedWatch(iter("abc").__next__)

    feeds.lost(FeedKey("a", 0), {"a"})

    assert feeds.wanted() == (FeedKey("a", 0),)


def test_an_echo_that_is_lost_is_reopened() -> None:
    feeds = watch()
    feeds.lost(FeedKey("a", 0), {"a"})
    feeds.opened(FeedKey("a", 1), 1.0)

    feeds.lost(FeedKey("a", 1), {"a"})

    assert feeds.wanted() == (FeedKey("b", 0), FeedKey("a", 2))


def test_only_the_latest_lost_ids_are_reopened() -> None:
    feeds = watch()
    everybody = set("abcdefgh")

    for client_id in "abcd":
        feeds.opened(FeedKey(client_id, 0), 0.0)
        feeds.lost(FeedKey(client_id, 0), everybody)

    assert len(feeds.wanted()) == 1 + ECHOES
    assert feeds.wanted() == (FeedKey("e", 0), FeedKey("c", 1), FeedKey("d", 1))


def test_a_socket_that_owes_a_word_and_stays_silent_is_replaced() -> None:
    feeds = watch()

    feeds.owes("a", since=1.0, now=1.0)
    feeds.review(1.0 + OWED_WORD - 0.01, {"a"})
    assert feeds.wanted() == (FeedKey("a", 0),)

    feeds.review(1.0 + OWED_WORD, {"a"})
    assert feeds.wanted() == (FeedKey("b", 0), FeedKey("a", 1))


def test_a_socket_that_speaks_owes_nothing() -> None:
    feeds = watch()
    feeds.owes("a", since=1.0, now=1.0)

    feeds.heard(FeedKey("a", 0), 1.5)
    feeds.review(100.0, {"a"})

    assert feeds.wanted() == (FeedKey("a", 0),)


def test_what_was_heard_after_the_submission_began_is_the_word_that_is_owed() -> None:
    feeds = watch()
    feeds.heard(FeedKey("a", 0), 1.5)

    feeds.owes("a", since=1.0, now=2.0)

    assert feeds.next_review() == inf


@pytest.mark.parametrize("client_id", ["z", None], ids=["another-id", "somebody-elses-prompt"])
def test_only_the_main_feed_owes_words(client_id: str | None) -> None:
    feeds = watch()

    feeds.owes(client_id, since=1.0, now=1.0)

    assert feeds.next_review() == inf


def test_deaf_sockets_are_replaced_ever_more_slowly_while_none_speaks() -> None:
    feeds = watch()
    replaced_at = []
    now = 0.0
    while now < 100:
        feeds.owes(feeds.client_id, since=now, now=now)
        before = feeds.client_id
        now = max(feeds.next_review(), now + 0.1)
        feeds.review(now, set())
        if feeds.client_id != before:
            replaced_at.append(now)
            feeds.opened(feeds.wanted()[0], now)

    gaps = [round(later - earlier) for earlier, later in itertools.pairwise(replaced_at)]
    assert gaps == sorted(gaps)
    assert len(replaced_at) <= 6


def test_a_silent_echo_is_reopened_at_growing_intervals() -> None:
    feeds = watch()
    feeds.lost(FeedKey("a", 0), {"a"})
    generations = []
    for now in range(60):
        key = feeds.wanted()[1]
        if key.generation not in generations:
            generations.append(key.generation)
            feeds.opened(key, float(now))
        feeds.review(float(now), {"a"})

    assert 3 <= len(generations) <= 6


def test_an_echo_that_speaks_is_left_alone() -> None:
    feeds = watch()
    feeds.lost(FeedKey("a", 0), {"a"})
    feeds.opened(FeedKey("a", 1), 0.0)

    for tenth in range(100):
        feeds.heard(FeedKey("a", 1), tenth / 10)
        feeds.review(tenth / 10 + FIRST_REOPENING / 2, {"a"})

    assert feeds.wanted()[1] == FeedKey("a", 1)


def test_messages_are_trusted_only_on_an_open_main_feed_that_owes_nothing() -> None:
    feeds = watch()
    assert feeds.is_trusted("a", 0.0)
    assert not feeds.is_trusted("z", 0.0)

    feeds.owes("a", since=1.0, now=1.0)
    assert feeds.is_trusted("a", 1.0)
    assert not feeds.is_trusted("a", 1.0 + OWED_WORD)

    feeds.lost(FeedKey("a", 0), {"a"})
    assert not feeds.is_trusted("a", 2.0)
    assert not feeds.is_trusted("b", 2.0)


def test_frames_of_a_socket_that_was_given_up_prove_nothing() -> None:
    feeds = watch()
    feeds.lost(FeedKey("a", 0), {"a"})
    feeds.opened(FeedKey("b", 0), 1.0)
    feeds.owes("b", since=2.0, now=2.0)

    feeds.heard(FeedKey("a", 0), 3.0)
    feeds.opened(FeedKey("a", 0), 3.0)

    assert feeds.next_review() == 2.0 + OWED_WORD


def with_witness() -> FeedWatch:
    """Main has been silent since 0 while a prompt runs; the witness opened at 3."""
    feeds = watch()
    feeds.review(WITNESS_AFTER, {"a"}, has_open=True)
    feeds.opened(FeedKey("b", 0), WITNESS_AFTER)
    return feeds


def test_a_silent_feed_gets_a_witness_while_prompts_are_open() -> None:
    feeds = watch()

    feeds.review(WITNESS_AFTER - 0.1, {"a"}, has_open=True)
    feeds.review(WITNESS_AFTER, {"a"}, has_open=False)
    assert feeds.wanted() == (FeedKey("a", 0),)

    feeds.review(WITNESS_AFTER, {"a"}, has_open=True)
    assert feeds.wanted() == (FeedKey("a", 0), FeedKey("b", 0))
    feeds.retire({"a"}, has_open=False)
    assert feeds.wanted() == (FeedKey("a", 0),)


def test_a_status_that_only_the_witness_hears_proves_main_deaf() -> None:
    feeds = with_witness()

    feeds.broadcast(FeedKey("b", 0), 50.0)
    feeds.review(50.0 + SAME_MOMENT, {"a"}, has_open=True)

    assert feeds.wanted()[0] == FeedKey("c", 0)


@pytest.mark.parametrize("moment", [49.99, 50.01], ids=["just-before", "just-after"])
def test_a_status_that_both_hear_proves_nothing(moment: float) -> None:
    feeds = with_witness()

    for now, key in sorted([(moment, FeedKey("a", 0)), (50.0, FeedKey("b", 0))]):
        feeds.heard(key, now)
        if key.client_id == "b":
            feeds.broadcast(key, now)
    feeds.review(60.0, {"a"}, has_open=True)

    assert feeds.wanted()[0] == FeedKey("a", 0)


def test_a_witness_that_is_lost_is_opened_again() -> None:
    feeds = with_witness()

    feeds.lost(FeedKey("b", 0), {"a"}, has_open=True)

    assert feeds.wanted() == (FeedKey("a", 0), FeedKey("b", 1))
