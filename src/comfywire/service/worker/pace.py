"""How long a worker waits between one thing and the next: in one place, and shorter in tests."""

from __future__ import annotations

from dataclasses import dataclass

from comfywire.service.jobs.leases import PUT_OFF_FOR

__all__ = ["Pace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds.

    Attributes:
        look: Between looks at the queue of a ComfyUI that is up; a look also finds out that it is gone.
        catalogue: Between reads of object_info, which is megabytes and stalls the ComfyUI while it answers.
        catalogue_wanted: The same while a job waits for what the ComfyUI lacks: it may be being installed.
        probes: Between probes of a ComfyUI that is away; the last for ever.
        broken_probes: Until the first probe of one that was taken out, by how often that was in a row.
        queue: After which the service's queue is looked at although nothing was heard.
        tidy: Between the rounds of what is done now and then.
        duty: Until a duty that broke down begins anew.
        leave: That a worker which stops waits for the database, to say so; without, it is taken for dead.
        hand_back: That it waits for the database with each of its jobs; without, they are taken over, too.
        submit: That a submission under way may take when the worker is told to stop.
        late_arrival: In which a prompt that its last worker may still have been sending can turn up.
        fetch: Until outputs that were not to be had are asked for again, unless their server is back before.
        refusal: For which a job that a ComfyUI refused is left alone.
        out_of_reach: For which a job whose ComfyUI this worker does not reach is left to others, at first.
        put_off: For which a job that cannot be seen to is put off, by how often it was; then it fails.
        rate: Over which a ComfyUI's reply must keep up the least rate, again and again.
        tick: Between snapshots of a job's progress, and between looks for outputs to fetch early.

    """

    look: float = 2.0
    catalogue: float = 300.0
    catalogue_wanted: float = 30.0
    probes: tuple[float, ...] = (0.5, 1.0, 2.0, 5.0, 10.0)
    broken_probes: tuple[float, ...] = (5.0, 15.0, 60.0)
    queue: float = 5.0
    tidy: float = 30.0
    duty: float = 1.0
    leave: float = 5.0
    hand_back: float = 5.0
    submit: float = 15.0
    late_arrival: float = 2.0
    fetch: float = 2.0
    refusal: float = 1.0
    out_of_reach: float = 5.0
    put_off: tuple[float, ...] = PUT_OFF_FOR
    rate: float = 30.0
    tick: float = 0.5
