"""What to read next, and when; what one queue read says about many prompts."""

from collections.abc import Iterable
from itertools import pairwise

import pytest

from comfywire.protocol.feeds import FeedKey, FeedWatch
from comfywire.protocol.job import Phase
from comfywire.protocol.messages import (
    Executing,
    ExecutionStart,
    ExecutionSuccess,
    FeatureFlags,
    Message,
    PreviewImage,
    ProgressText,
    Status,
)
from comfywire.protocol.schedule import Schedule
from comfywire.protocol.session import CONFIRM, Read, Session
from comfywire.protocol.snapshots import HistoryEntry, QueueSnapshot
from comfywire.protocol.tracked import SocketImage, Tracked

QUEUE = Read()
GOOD = HistoryEntry(ExecutionSuccess("p"), {"9": {"text": ["x"]}})
GRAPH = {"1": {"class_type": "KSampler"}, "5": {"class_type": "SaveImageWebsocket"}}
MAIN = FeedKey("a", 0)


class Scene:
    """A session, and a server that answers its reads; time goes on by itself to what is due next."""

    def __init__(self, *prompt_ids: str, opened: bool = True) -> None:
        self.session = Session(iter("abcdefgh").__next__)
        self.now = 0.0
        self.running: tuple[str, ...] = ()
        self.pending: tuple[str, ...] = ()
        self.entries: dict[str, HistoryEntry] = {}
        self.reads: list[tuple[float, Read]] = []
        if opened:
            self.session.feed_opened(MAIN, 0.0)
        self.jobs = {prompt_id: self.submit(prompt_id) for prompt_id in prompt_ids}

    def submit(self, prompt_id: str) -> Tracked:
        tracked = self.session.expect(prompt_id, GRAPH, self.now)
        if self.session.feeds.is_open:
            self.hear(Status(len(self.session.open)))
        self.session.accepted(prompt_id, self.now)
        return tracked

    def hear(self, *messages: Message, key: FeedKey = MAIN) -> None:
        for message in messages:
            self.session.hear(key, message, self.now)

    def answer(self, read: Read) -> None:
        self.reads.append((self.now, read))
        if read.prompt_id is None:
            snapshot = QueueSnapshot(self.running, self.pending)
            self.session.queue_was_read(snapshot, began=self.now, now=self.now)
        else:
            entry = self.entries.get(read.prompt_id)
            self.session.history_was_read(read.prompt_id, entry, began=self.now, now=self.now)

    def go_on(self, seconds: float) -> list[tuple[float, Read]]:
        """Let time pass; return the reads that were made."""
        end, first = self.now + seconds, len(self.reads)
        while True:
            for read in self.session.reads_due(self.now):
                self.answer(read)
            at = self.session.next_due(self.now)
            if at > end:
                self.now = end
                return self.reads[first:]
            self.now = max(at, self.now + 1e-6)


def kinds(reads: Iterable[tuple[float, Read]]) -> list[str]:
    return [read.prompt_id or "queue" for _, read in reads]


def test_an_end_is_followed_by_one_read_of_history() -> None:
    scene = Scene("p")
    scene.entries["p"] = GOOD

    scene.hear(ExecutionStart("p"), ExecutionSuccess("p"), Executing("p", None))
    reads = scene.go_on(5)

    assert kinds(reads) == ["p"]
    assert scene.jobs["p"].state.verdict == ExecutionSuccess("p")


def test_nothing_is_read_while_messages_tell() -> None:
    scene = Scene("p")

    for _ in range(20):
        scene.hear(ExecutionStart("p"))
        assert scene.go_on(1) == []


def test_a_long_silence_costs_a_handful_of_cheap_reads() -> None:
    scene = Scene("p")
    scene.running = ("p",)
    scene.hear(ExecutionStart("p"))

    reads = scene.go_on(600)

    assert kinds(reads).count("p") <= 125, "one every five seconds: a server that hangs must be found out"
    assert kinds(reads).count("queue") <= 15
    assert kinds(reads[:4]).count("queue") == 0, "the cheap reads come first"
    times = [0.0, *(at for at, _ in reads)]
    assert max(later - earlier for earlier, later in pairwise(times)) <= 5.25


def test_an_end_that_was_not_heard_is_found_by_reading() -> None:
    scene = Scene("p")
    scene.hear(ExecutionStart("p"))
    scene.entries["p"] = GOOD

    scene.go_on(2.1)

    assert scene.jobs["p"].is_done


def test_a_feed_that_let_an_end_pass_is_replaced() -> None:
    scene = Scene("p", "q")
    scene.running = ("q",)
    scene.entries["p"] = GOOD

    scene.go_on(6)

    assert scene.session.feeds.client_id != "a"
    assert scene.jobs["q"].has_missed


def test_one_queue_read_answers_for_all_open_prompts() -> None:
    scene = Scene(*(f"p{number}" for number in range(1000)))
    scene.pending = tuple(scene.jobs)
    scene.session.feed_lost(MAIN)

    reads = scene.go_on(60)

    assert len(reads) <= 2 * 60


def test_a_thousand_prompts_that_end_unheard_cost_one_read_each() -> None:
    scene = Scene(*(f"p{number}" for number in range(1000)))
    scene.session.feed_lost(MAIN)
    scene.entries = dict.fromkeys(scene.jobs, GOOD)

    reads = scene.go_on(10)

    assert all(tracked.is_done for tracked in scene.jobs.values())
    assert len(reads) <= 1000 + 2 * 10


def test_a_prompt_in_neither_is_gone_after_a_second_look() -> None:
    scene = Scene("p")
    scene.session.feed_lost(MAIN)

    scene.go_on(CONFIRM / 2)
    assert not scene.jobs["p"].is_done
    scene.go_on(CONFIRM)

    assert scene.jobs["p"].has_vanished
    assert scene.jobs["p"].state.verdict is None


def test_a_prompt_that_turns_up_at_the_second_look_is_not_gone() -> None:
    scene = Scene("p")
    scene.session.feed_lost(MAIN)
    scene.go_on(CONFIRM / 2)

    scene.entries["p"] = GOOD
    scene.go_on(CONFIRM)

    assert not scene.jobs["p"].has_vanished


def test_a_prompt_that_ends_between_queue_and_history_is_found() -> None:
    """The proxy that read them the other way round reported 7 % of healthy jobs as expired."""
    scene = Scene("p")
    scene.session.feed_lost(MAIN)
    (queue_read,) = scene.session.reads_due(0.0)
    scene.answer(queue_read)  # it has left the queue ...
    scene.entries["p"] = GOOD  # ... and is in history by the time that this is read

    for read in scene.session.reads_due(0.0):
        scene.answer(read)

    assert scene.jobs["p"].state.verdict == ExecutionSuccess("p")


def test_a_queue_read_says_nothing_about_a_prompt_that_was_accepted_after_it_began() -> None:
    scene = Scene("p")

    scene.session.queue_was_read(QueueSnapshot(), began=-1.0, now=0.5)

    assert scene.session.reads_due(0.5) == []


def test_a_history_read_that_began_before_the_queue_read_ended_proves_no_absence() -> None:
    scene = Scene("p")
    scene.session.queue_was_read(QueueSnapshot(), began=1.0, now=2.0)

    for _ in range(3):
        scene.session.history_was_read("p", None, began=1.5, now=2.5)

    assert not scene.jobs["p"].is_done


def test_a_failed_read_proves_nothing() -> None:
    scene = Scene("p")
    scene.session.feed_lost(MAIN)
    now, failures = 0.0, 0

    while now < 30:
        for read in scene.session.reads_due(now):
            scene.session.read_failed(read, now)
            failures += 1
        now = max(scene.session.next_due(now), now + 1e-6)

    assert not scene.jobs["p"].is_done
    assert 5 < failures < 60, "it goes on asking, ever more slowly"


def test_a_server_that_is_back_is_asked_for_its_queue_within_a_second() -> None:
    scene = Scene("p")
    scene.session.feed_lost(MAIN)
    now, failed = 0.0, []

    while now < 30:
        for read in scene.session.reads_due(now):
            scene.session.read_failed(read, now)
            if read == QUEUE:
                failed.append(now)
        now = max(scene.session.next_due(now), now + 1e-6)

    gaps = [later - sooner for sooner, later in pairwise([*failed, now])]
    assert max(gaps) <= 1.001, "probes that fail do not put it off"


def test_the_reply_to_a_submission_shows_that_the_server_had_the_prompt() -> None:
    scene = Scene("p")

    assert scene.jobs["p"].last_seen_in == "the reply to its submission"


def test_a_deleted_prompt_is_noticed_by_the_shorter_queue() -> None:
    scene = Scene("p", "q")
    scene.running = ("p",)
    scene.hear(ExecutionStart("p"), Status(1))

    scene.go_on(2)

    assert scene.jobs["q"].has_vanished
    assert not scene.jobs["p"].is_done


def test_a_shorter_queue_is_explained_by_an_end_of_ours() -> None:
    scene = Scene("p", "q")
    scene.entries["p"] = GOOD
    scene.running = ("q",)

    scene.hear(
        ExecutionStart("p"), ExecutionSuccess("p"), Status(1), Executing("p", None), ExecutionStart("q")
    )
    reads = scene.go_on(1.5)

    assert kinds(reads) == ["p"]


def test_an_end_without_a_history_entry_keeps_what_messages_told() -> None:
    scene = Scene("p")
    scene.hear(ExecutionStart("p"), ExecutionSuccess("p"), Executing("p", None))

    scene.go_on(3)

    tracked = scene.jobs["p"]
    assert tracked.has_vanished
    assert (tracked.state.verdict, tracked.has_missed) == (ExecutionSuccess("p"), False)


def test_a_history_entry_that_is_held_back_is_waited_for() -> None:
    scene = Scene("p")
    scene.running = ("p",)
    scene.hear(ExecutionStart("p"), ExecutionSuccess("p"), Executing("p", None))
    scene.go_on(5)
    assert not scene.jobs["p"].is_done

    scene.entries["p"], scene.running = GOOD, ()
    scene.go_on(1.1)

    assert scene.jobs["p"].state.entry == GOOD


def test_our_own_submission_proves_that_the_socket_hears() -> None:
    scene = Scene("p")
    silent = Scene()
    silent.session.expect("p", GRAPH, 1.0)
    silent.session.accepted("p", 1.0)
    silent.running = scene.running = ("p",)

    scene.go_on(3)
    silent.now = 1.0
    silent.go_on(3)

    assert (scene.session.feeds.client_id, silent.session.feeds.client_id) == ("a", "b")


def test_after_a_gap_everything_is_looked_at() -> None:
    scene = Scene("p")
    scene.pending = ("p",)
    scene.session.feed_lost(MAIN)
    scene.go_on(1)

    scene.session.feed_opened(FeedKey("b", 0), scene.now)
    reads = scene.go_on(0.01)

    assert kinds(reads) == ["queue"]


def test_a_lost_reply_is_doubted_for_its_grace() -> None:
    scene = Scene()
    tracked = scene.session.expect("p", GRAPH, 0.0)
    scene.session.doubt("p", 0.0, grace=5.0)

    scene.go_on(4.9)
    assert not tracked.is_done
    scene.go_on(1.0)

    assert tracked.has_vanished
    assert tracked.last_seen is None


def test_a_doubtful_prompt_that_is_queued_is_adopted() -> None:
    scene = Scene()
    tracked = scene.session.expect("p", GRAPH, 0.0)
    scene.pending = ("p",)

    scene.session.doubt("p", 0.0, grace=5.0)
    scene.go_on(20)

    assert not tracked.is_done
    assert tracked.last_seen_in == "the pending queue"


def test_messages_may_overtake_the_reply() -> None:
    scene = Scene()
    tracked = scene.session.expect("p", GRAPH, 0.0)
    scene.entries["p"] = GOOD

    scene.hear(ExecutionStart("p"), Executing("p", None))
    scene.go_on(0.1)

    assert tracked.state.entry == GOOD


def test_an_attached_prompt_is_found_where_it_is() -> None:
    scene = Scene()
    tracked = scene.session.attach("p", 0.0)
    scene.running = ("p",)

    scene.go_on(1)

    assert tracked.state.phase is Phase.RUNNING


@pytest.mark.parametrize(
    ("message", "owner"),
    [
        pytest.param(Executing(None, "1"), "p", id="greeting-after-a-reconnect"),
        pytest.param(Executing(None, None), None, id="an-end-that-names-nobody"),
        pytest.param(PreviewImage(b"", "image/jpeg"), "p", id="preview-without-metadata"),
        pytest.param(PreviewImage(b"", "image/jpeg", "q", "1"), "q", id="preview-with-metadata"),
        pytest.param(PreviewImage(b"", "image/jpeg", "z", "1"), None, id="somebody-elses-preview"),
        pytest.param(ProgressText("1", "hm"), None, id="text-names-nobody"),
        pytest.param(ExecutionStart("z"), None, id="somebody-elses-start"),
    ],
)
def test_a_message_goes_to_its_prompt(message: Message, owner: str | None) -> None:
    scene = Scene("p", "q")
    scene.hear(ExecutionStart("p"))

    heard = scene.session.hear(MAIN, message, 0.0)

    assert (heard[0].prompt_id if heard else None) == owner
    assert not scene.jobs["p"].state.history_is_due


def test_what_saveimagewebsocket_sends_is_a_result_and_no_preview() -> None:
    scene = Scene("p")
    scene.hear(ExecutionStart("p"), Executing("p", "1"))
    scene.hear(PreviewImage(b"preview", "image/jpeg"), PreviewImage(b"named", "image/png", "p", "5"))
    scene.hear(Executing("p", "5"), PreviewImage(b"unnamed", "image/png"))

    assert scene.jobs["p"].images == [
        SocketImage("p", "5", b"named", "image/png"),
        SocketImage("p", "5", b"unnamed", "image/png"),
    ]


def test_a_cancelled_prompt_is_gone_at_the_first_look() -> None:
    scene = Scene("p")

    scene.session.look_now("p", 0.0)
    scene.go_on(0.01)

    assert scene.jobs["p"].has_vanished


def test_a_queue_read_that_takes_long_holds_up_no_probe_and_keeps_nobody_awake() -> None:
    session = Scene().session
    session.attach("p", 0.0)
    assert session.reads_due(0.0) == [QUEUE]

    probes = session.reads_due(60.0)

    assert probes == [Read("p")]
    assert session.next_due(60.0) > 60.0


def test_sockets_that_are_closed_are_forgotten_however_many_there_were() -> None:
    session = Session(map(str, range(1000)).__next__)
    for now in range(300):
        main = session.feeds.wanted()[0]
        session.feed_opened(main, float(now))
        session.hear(main, FeatureFlags({"supports_preview_metadata": True}), float(now))
        session.feed_lost(main)

    assert len(session._names_previews) <= 2


@pytest.mark.parametrize("is_trusted", [True, False])
@pytest.mark.parametrize(("took", "pause"), [(0.01, 1.0), (0.4, 1.2), (2.0, 6.0), (60.0, 65.0)])
def test_a_server_that_is_slow_to_answer_is_probed_less(took: float, pause: float, is_trusted: bool) -> None:
    """And never more than five seconds after its last answer: its silence must be found out."""
    schedule, feeds = Schedule(), FeedWatch(iter("ab").__next__)
    schedule.probed_at = 100.0

    schedule.probe_was_read(100.0, 100.0 + took)

    at = schedule.probe_at(feeds, is_trusted=is_trusted)
    assert at - 100.0 == pytest.approx(max(pause, 5.0) if is_trusted else pause)


def test_a_slow_answer_to_a_probe_puts_off_the_next_and_no_end_that_was_heard() -> None:
    scene = Scene("p")
    scene.running = ("p",)
    while Read("p") not in (reads := scene.session.reads_due(scene.now)):
        for read in reads:
            scene.answer(read)
        scene.now = scene.session.next_due(scene.now)
    asked, scene.now = scene.now, scene.now + 4.0
    scene.session.history_was_read("p", None, began=asked, now=scene.now)

    assert [read for at, read in scene.go_on(4.9) if read == Read("p")] == []
    scene.hear(ExecutionStart("p"), ExecutionSuccess("p"), Executing("p", None))
    assert Read("p") in scene.session.reads_due(scene.now)
