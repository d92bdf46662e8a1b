"""How exactly, and how fast, are the editor's workflows converted to prompts, by us and by others?

    python bench/convert.py [--json FILE] [--golden DIR] [--wild DIR] [--only NAME ...] [--rounds N]

Runs Comfywire and three published converters over the golden pairs in ../shared/golden and the files of node
packs' users in ../shared/golden-wild, which ComfyUI's own front end made, one after another on one core in
this same run. Of the latter the same meaning counts: nodes that the server lacks are left aside, and inputs
that only the browser has. The others come from PyPI into virtual environments in a temporary folder, which is
removed afterwards; one that cannot be installed is skipped, with
the reason. What is timed is the processor's time, since other programs may want it too; reading JSON is not,
and the server's object_info is prepared once where a converter can.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import importlib.metadata
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
GOLDEN = HERE.parents[2] / "shared" / "golden"
WILD = HERE.parents[2] / "shared" / "golden-wild"
VERSIONS = {"0.3.64": "front end 1.27.10", "0.33.0": "front end 1.49.6"}
PEERS = ["comfy-cli", "comfyui-autoflow", "comfy-draftsman"]
OURS = "comfywire"
Convert = Callable[[dict[str, Any], dict[str, Any]], Any]


# --- the converters, each in its own environment ---------------------------------------------------------


def comfywire(workflow: dict[str, Any], object_info: dict[str, Any]) -> Any:
    """Also for ``score.py``: ``python ../shared/golden/score.py 0.33.0 bench.convert:comfywire``."""
    # The clock of the browser that made the pairs; the others' functions take none (three pairs show it).
    made_at = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001  # the editor writes local time
    return _converter(id(object_info), object_info).convert(workflow, now=made_at).prompt


_CONVERTERS: dict[int, Any] = {}


def _converter(key: int, object_info: dict[str, Any]) -> Any:
    if key not in _CONVERTERS:
        made = importlib.import_module("comfywire.workflow.conversion.convert").Converter(object_info)
        _CONVERTERS[key] = (object_info, made)  # with the dict, so that its id stays its own
    return _CONVERTERS[key][1]


def comfy_cli() -> Convert:
    found: Convert = importlib.import_module("comfy_cli.workflow_to_api").convert_ui_to_api
    return found


def autoflow() -> Convert:
    # It takes what the server does not offer for null; the servers of the pairs have no models to offer.
    convert = importlib.import_module("autoflow.convert").workflow_to_api_format
    return lambda workflow, object_info: convert(workflow, node_info=object_info, use_api=True)


def draftsman() -> Convert:
    model = importlib.import_module("comfy_draftsman.graph.model").Workflow
    return lambda workflow, object_info: model.from_ui(workflow).to_api(object_info)


LOADERS: dict[str, Callable[[], Convert]] = {
    OURS: lambda: comfywire,
    "comfy-cli": comfy_cli,
    "comfyui-autoflow": autoflow,
    "comfy-draftsman": draftsman,
}


# --- comparing, as ../shared/golden/score.py does ---------------------------------------------------------

COMPUTED = {("RecordAudio", "audio"), ("WebcamCapture", "image")}


def comparable(prompt: Any) -> dict[str, Any]:
    entries = {str(key): entry for key, entry in (prompt or {}).items() if isinstance(entry, dict)}
    return {key: (entry.get("class_type"), _inputs(entry)) for key, entry in entries.items()}


def _inputs(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _normal(value)
        for name, value in (entry.get("inputs") or {}).items()
        if (entry.get("class_type"), name) not in COMPUTED
        and not (isinstance(value, dict) and "camera_info" in value)
    }


def _normal(value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, list | tuple):
        return [_normal(one) for one in value]
    return {key: _normal(one) for key, one in value.items()} if isinstance(value, dict) else repr(value)


# --- one converter over one folder ------------------------------------------------------------------------


def pairs(folder: Path) -> tuple[list[Path], list[Path]]:
    if (folder / "real").is_dir():
        paths = sorted((folder / "real").glob("*.ui.json"))
        return paths, [path.with_name(path.name.replace(".ui.", ".api.")) for path in paths]
    paths = sorted((folder / "workflows").glob("*.json"))
    return paths, [folder / "api" / path.name for path in paths]


def agree(got: Any, wanted: Any, object_info: dict[str, Any], folder: Path) -> bool:
    if not (folder / "real").is_dir():
        return comparable(got) == comparable(wanted)
    sys.path.insert(0, str(folder))
    return not importlib.import_module("score").differences(object_info, got, wanted)


def measure(name: str, folder: Path, rounds: int) -> dict[str, Any]:
    convert = LOADERS[name]()
    object_info = json.loads(gzip.decompress((folder / "object_info.json.gz").read_bytes()))
    paths, answers = pairs(folder)
    saved = [path.read_text(encoding="utf-8") for path in paths]
    seconds, raised, exact = [], Counter[str](), 0
    for number in range(rounds + 1):  # the first round is compared, and warms up
        spent = 0.0
        for answer, text in zip(answers, saved, strict=True):
            workflow, got = json.loads(text), None
            start = time.process_time()
            try:
                got = convert(workflow, object_info)
            except Exception as error:  # noqa: BLE001  # a converter that raises has not converted
                raised[type(error).__name__] += not number
            spent += time.process_time() - start
            if not number:
                wanted = json.loads(answer.read_text(encoding="utf-8"))
                exact += got is not None and agree(got, wanted, object_info, folder)
        if number:
            seconds.append(spent)
    rates = [len(paths) / spent for spent in seconds]
    return {
        "pairs": len(paths),
        "exact": exact,
        "raised": dict(raised),
        "workflows_per_second": round(statistics.median(rates)),
        "slowest_round": round(min(rates)),
        "fastest_round": round(max(rates)),
    }


# --- the parent process -----------------------------------------------------------------------------------


def install(name: str, folder: Path) -> tuple[Path | None, str]:
    """Return the Python of a new environment with ``name``, and its version or why there is none."""
    environment = folder / name
    venv.create(environment, with_pip=True)
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    installed = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", name],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if installed.returncode:
        reasons = [line for line in installed.stderr.splitlines() if line.startswith("ERROR")]
        return None, (reasons or installed.stderr.splitlines() or ["pip failed"])[-1]
    version = f"import importlib.metadata as m; print(m.version({name!r}))"
    return python, subprocess.check_output([python, "-c", version], text=True).strip()


def run(name: str, python: Path, args: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    folders = {version: args.golden / version for version in VERSIONS}
    if args.wild.is_dir():
        folders["packs"] = args.wild
    for version, folder in folders.items():
        command = [str(python), str(HERE), "--worker", name, str(folder), str(args.rounds)]
        worker = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
        if worker.returncode:
            rows.append({"version": version, "failed": (worker.stderr.splitlines() or ["it failed"])[-1]})
        else:
            rows.append({"version": version, **json.loads(worker.stdout.splitlines()[-1])})
    return rows


def compare(args: argparse.Namespace) -> dict[str, Any]:
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="comfywire-bench-") as folder:
        for name in args.only or [OURS, *PEERS]:
            print(f"{name} ...", file=sys.stderr, flush=True)
            python, version = _installed(name, Path(folder))
            rows = run(name, python, args) if python else []
            results[name] = {"version": version, "rows": rows} if python else {"skipped": version}
    return {"python": platform.python_version(), "rounds": args.rounds, "converters": results}


def _installed(name: str, folder: Path) -> tuple[Path | None, str]:
    if name == OURS:
        return Path(sys.executable), importlib.metadata.version(OURS)
    try:
        return install(name, folder)
    except (OSError, subprocess.SubprocessError) as error:
        return None, f"{type(error).__name__}: {error}"


def show(report: dict[str, Any]) -> None:
    print(f"Python {report['python']}, {report['rounds']} timed rounds on one core, median (slowest-fastest)")
    print(f"{'converter':26} {'server':8} {'exact':>16} {'workflows/s':>22}  raised")
    for name, result in report["converters"].items():
        if "skipped" in result:
            print(f"{name:26} skipped: {result['skipped']}")
        for row in result.get("rows", []):
            print(f"{name + ' ' + result['version']:26} {row['version']:8} {_cells(row)}")


def _cells(row: dict[str, Any]) -> str:
    if "failed" in row:
        return f"failed: {row['failed']}"
    exact = f"{row['exact']}/{row['pairs']} {row['exact'] / row['pairs']:.1%}"
    rate = f"{row['workflows_per_second']} ({row['slowest_round']}-{row['fastest_round']})"
    return f"{exact:>16} {rate:>22}  {row['raised'] or ''}"


def main() -> int:
    if sys.argv[1:2] == ["--worker"]:
        name, folder, rounds = sys.argv[2:]
        print(json.dumps(measure(name, Path(folder), int(rounds))))
        return 0
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the numbers there, too")
    parser.add_argument("--golden", type=Path, default=GOLDEN, help="folder of golden pairs")
    parser.add_argument("--wild", type=Path, default=WILD, help="folder of files with node packs' nodes")
    parser.add_argument("--only", nargs="*", choices=LOADERS, help="which converters")
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds over all pairs")
    args = parser.parse_args()
    if not args.golden.is_dir():
        print(f"skipped: {args.golden} is not here; it holds other people's workflows", file=sys.stderr)
        return 0
    report = compare(args)
    show(report)
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
