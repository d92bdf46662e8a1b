"""Those of the faults that can be made from outside, against Comfywire and published clients.

    python bench/faults.py [--others [NAMES]] [--only B2,B19] [--json FILE]

Each client runs one small job in a process of its own, against a test server of its own that is told what to
do wrong. It survives if what it says in the end is true, within 30 seconds: the job's own picture where the
server has it, an error where there is none, and never a second run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contest import prompt
from machine import conditions, conditions_line
from others.environments import Contestant, installed_others

from comfywire.server import Server

HERE = Path(__file__).parent
OURS = Contestant("comfywire", sys.executable, HERE / "contestants" / "ours.py")
PATIENCE = 30.0
START_TIMEOUT = 60.0
FIRST = 1000
GAP = 0.5
"""Seconds in which a client may come back before the prompt goes on."""
REJECTION = json.dumps(
    {
        "error": {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation"},
        "node_errors": {"1": {"errors": [], "dependent_outputs": ["2"], "class_type": "EmptyImage"}},
    }
)
Step = Callable[[Server], Awaitable[None]]


@dataclass(frozen=True)
class Scene:
    """One fault.

    Attributes:
        fault: Its number in the list of faults.
        what: What happens.
        before: Done when the client is ready and has not submitted yet.
        during: Done while the job's first node is held; None where it is not held.
        has_picture: Whether the truth is the picture; else it is an error.

    """

    fault: str
    what: str
    before: Step | None = None
    during: Step | None = None
    has_picture: bool = True


def at_once(act: Callable[[Server], object]) -> Step:
    """Return a step that needs no waiting."""

    async def step(server: Server) -> None:
        act(server)

    return step


async def cut(server: Server) -> None:
    await server.faults.sockets.cut("rst")
    await asyncio.sleep(GAP)


async def until_heard(server: Server) -> None:
    """Some open their socket after they have submitted, and some never do."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.until(lambda: bool(server.life.sockets.by_sid)), GAP)


async def restart(server: Server) -> None:
    await server.faults.life.kill(restart_after=1.0)
    await server.until(lambda: server.is_running)


SCENES = [
    Scene("B1", "the socket drops while a node runs", during=cut),
    Scene(
        "B2",
        "the socket drops and the prompt ends in the gap",
        during=at_once(lambda server: server.faults.messages.cut_sockets_at("executed")),
    ),
    Scene(
        "B3",
        "the socket goes deaf: open, answering pings, silent",
        during=at_once(lambda server: server.faults.sockets.deafen()),
    ),
    Scene(
        "B4",
        "the prompt has ended before the reply to its POST is read",
        at_once(lambda server: server.faults.replies.delay("POST /prompt", 1.0, when="after")),
    ),
    Scene(
        "B5",
        "the prompt has left the queue and is not in history yet",
        at_once(lambda server: server.faults.history.hold(1.0)),
    ),
    Scene(
        "B7",
        "a node raises",
        at_once(lambda server: server.faults.nodes.fail(class_type="EmptyImage")),
        has_picture=False,
    ),
    Scene(
        "B8",
        "another client interrupts the prompt",
        during=at_once(lambda server: server.faults.prompts.interrupt()),
        has_picture=False,
    ),
    Scene("B9", "another client deletes the pending prompt", has_picture=False),
    Scene("B10", "the server is killed and restarted", during=restart, has_picture=False),
    Scene(
        "B11",
        "the server refuses connections for 5 seconds",
        during=lambda server: server.faults.life.refuse_connections(5.0),
    ),
    Scene(
        "B12",
        "foreign progress, previews and ends are broadcast",
        during=lambda s: s.faults.messages.foreign(),
    ),
    Scene("B14", "a message of 5 MiB", during=lambda server: server.faults.messages.oversized()),
    Scene("B15", "junk messages", during=lambda server: server.faults.messages.junk()),
    Scene(
        "B17",
        "an output called 'a b&c#1.png' (bytes only)",
        at_once(lambda server: server.faults.files.rename("a b&c#1.png")),
    ),
    Scene(
        "B19",
        "the reply to POST /prompt is lost, the prompt is queued",
        at_once(lambda server: server.faults.replies.drop("POST /prompt", when="after")),
    ),
    Scene(
        "B20",
        "the download is cut in the middle",
        at_once(lambda server: server.faults.replies.cut_body("GET /view", 20)),
    ),
    Scene(
        "B21",
        "history is cleared after success, before it is read",
        at_once(lambda server: server.faults.history.hold(None)),
    ),
    Scene(
        "B22",
        "the prompt is rejected",
        at_once(lambda server: server.faults.replies.fail("POST /prompt", 400, body=REJECTION)),
        has_picture=False,
    ),
]


@dataclass(frozen=True)
class Outcome:
    """How one client came through one fault."""

    verdict: str
    why: str = ""
    seconds: float = 0.0


async def act(scene: Scene, server: Server, process: asyncio.subprocess.Process) -> Outcome:
    """Make the fault, start the job, and judge what the client says."""
    if scene.before is not None:
        await scene.before(server)
    held = server.faults.nodes.hold(class_type="EmptyImage") if scene.during or scene.fault == "B9" else None
    if scene.fault == "B9":
        await server.faults.prompts.submit(prompt(FIRST + 99, "foreign"), client_id="foreign")
        await server.until(lambda: held is not None and held.hits == 1)
    began, ran = asyncio.get_running_loop().time(), len(server.log)
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    if scene.fault == "B9":
        await server.until(lambda: server.life.queue.remaining() == 2)
        server.faults.prompts.clear()
    elif held is not None:
        await server.until(lambda: held.hits == 1)
        await until_heard(server)
        assert scene.during is not None
        await scene.during(server)
    if held is not None:
        held.release()
    out, _ = await process.communicate()
    seconds = asyncio.get_running_loop().time() - began
    runs = len(server.log) - ran
    return judge(scene, json.loads(out.decode().strip().splitlines()[-1]), runs=runs, seconds=seconds)


def judge(scene: Scene, found: dict[str, Any], *, runs: int, seconds: float) -> Outcome:
    """Return what is to be thought of a client's last words."""
    has_right_one = not found["wrong"] and not found["missing"]
    said = (found["failures"] or ["a wrong picture" if found["wrong"] else "a picture"])[0]
    if scene.has_picture and not has_right_one:
        return Outcome("wrong answer", f"the server has the picture; the client: {said}", seconds)
    if not scene.has_picture and (has_right_one or said.startswith("NoPicture")):
        return Outcome("wrong answer", f"the job did not end well; the client: {said}", seconds)
    if runs > 1 and scene.fault == "B19":
        return Outcome("wrong answer", f"ran {runs} times", seconds)
    return Outcome("survives", said, seconds)


async def play(scene: Scene, contestant: Contestant) -> Outcome:
    """Put one client through one fault."""
    async with (
        Server() as server,
        contestant.process(server.url, "1", "1", "faults", str(FIRST), waits=True) as process,
    ):
        assert process.stdout is not None
        ready = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT)
        if ready != b"ready\n":
            return Outcome("not run", "its driver did not come through a healthy job")
        try:
            return await asyncio.wait_for(act(scene, server, process), PATIENCE)
        except TimeoutError:
            return Outcome("hangs", f"nothing after {PATIENCE:g} s", PATIENCE)
        except (IndexError, json.JSONDecodeError):
            return Outcome("wrong answer", "the process died")


async def main(options: argparse.Namespace) -> None:
    where = conditions()
    scenes = [scene for scene in SCENES if options.only is None or scene.fault in options.only]
    table: list[dict[str, Outcome]] = []
    with contextlib.ExitStack() as stack:
        others, skipped = installed_others(stack, options.others, options.environments)
        contestants = [OURS, *others]
        for scene in scenes:
            outcomes = await asyncio.gather(*(play(scene, each) for each in contestants))
            table.append({each.name: outcome for each, outcome in zip(contestants, outcomes, strict=True)})
            print(scene.fault, {name: each.verdict for name, each in table[-1].items()}, file=sys.stderr)
    print(conditions_line(where))
    print()
    print_table(scenes, table)
    for name, why in skipped.items():
        print(f"- {name}: skipped: {why}")
    if options.json is not None:
        rows = [
            {
                "fault": scene.fault,
                "what": scene.what,
                "clients": {name: vars(each) for name, each in row.items()},
            }
            for scene, row in zip(scenes, table, strict=True)
        ]
        options.json.write_text(json.dumps({"conditions": where, "rows": rows, "skipped": skipped}, indent=1))


def print_table(scenes: list[Scene], table: list[dict[str, Outcome]]) -> None:
    """Print the verdicts in Markdown, and below them each reason."""
    names = list(table[0])
    print(f"| fault | {' | '.join(names)} |")
    print("|" + "---|" * (len(names) + 1))
    for scene, row in zip(scenes, table, strict=True):
        cells = [
            f"survives, {each.seconds:.1f} s" if each.verdict == "survives" else f"**{each.verdict}**"
            for each in row.values()
        ]
        print(f"| {scene.fault}: {scene.what} | {' | '.join(cells)} |")
    survived = [str(sum(row[name].verdict == "survives" for row in table)) for name in names]
    print(f"| survived, of {len(scenes)} | {' | '.join(survived)} |")
    print()
    for scene, row in zip(scenes, table, strict=True):
        for name, outcome in row.items():
            if outcome.verdict != "survives":
                print(f"- {scene.fault}, {name}: {outcome.verdict}: {outcome.why}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--others", nargs="?", const="all", help="published clients too: all, or names with commas"
    )
    parser.add_argument("--only", type=lambda text: text.split(","), help="faults, with commas")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--environments", type=Path, metavar="DIR", help="keep their environments there")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
