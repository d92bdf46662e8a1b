"""What waits for a slow reader: bounded, and without what is superseded anyway."""

from comfywire.service.relay.outbox import CAPACITY, MOST_BYTES, MOST_FRAMES, Outbox


async def taken(outbox: Outbox) -> list[str | bytes]:
    outbox.close()
    return [frame async for frame in outbox.frames()]


async def test_frames_come_in_the_order_in_which_they_were_put():
    outbox = Outbox()
    for kind, frame in (("progress", "1"), ("executing", "2"), ("preview", b"3")):
        outbox.put(kind, frame)

    assert await taken(outbox) == ["1", "2", b"3"]


async def test_a_reader_that_is_behind_loses_what_is_superseded_and_nothing_else():
    outbox = Outbox()
    for number in range(CAPACITY):
        outbox.put("progress", f"p{number}")
    for number in range(CAPACITY):
        outbox.put("executed", f"e{number}")

    assert await taken(outbox) == [f"e{number}" for number in range(CAPACITY)]
    assert not outbox.has_overflowed


async def test_a_reader_that_is_far_behind_loses_its_socket_and_its_memory():
    many, large = Outbox(), Outbox()
    for number in range(MOST_FRAMES + 1):
        many.put("executed", str(number))
    large.put("picture", bytes(MOST_BYTES + 1))

    assert (many.has_overflowed, large.has_overflowed) == (True, True)
    assert (await taken(many), await taken(large)) == ([], [])


async def test_a_reader_that_keeps_up_loses_nothing_however_long_it_reads():
    outbox = Outbox()
    frames = outbox.frames()
    for number in range(3 * MOST_FRAMES):
        outbox.put("executed", str(number))
        assert await anext(frames) == str(number)

    assert not outbox.has_overflowed
