"""One word for one thing: a class has its name for itself, but for those that mean the same in two layers."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

SRC = Path(__file__).parents[1] / "src" / "comfywire"
PUBLIC = "a public name, which the API of the service has for the same thing"
SHAPE = "the shape on the wire, named after the record that it shows: OpenAPI's components have these names"
FACE = "each face says it in the words of its own API, and no face imports another"
AGENTS = "the service's, and that of one ComfyUI without a service: neither imports the other"
# name: (how many classes have it, why)
SHARED = {
    "Address": (2, "a server's, and of webhooks as OpenAPI's components name it"),
    "BadRequest": (2, FACE),
    "Client": (2, "sync has the names of the client"),
    "Delivery": (2, SHAPE),
    "Demand": (2, SHAPE),
    "Desk": (2, AGENTS),
    "Job": (3, f"sync has the names of the client; and {PUBLIC}"),
    "JobEnded": (2, FACE),
    "JobError": (2, PUBLIC),
    "Model": (2, FACE),
    "Output": (3, f"sync has the names of the client; and {PUBLIC}"),
    "Preset": (2, SHAPE),
    "PreviewImage": (2, "a public name, and a node's, which ComfyUI named"),
    "Progress": (2, PUBLIC),
    "Result": (2, "sync has the names of the client"),
    "Server": (2, "a public name, and a ComfyUI as OpenAPI's components name it"),
    "Session": (2, "the protocol's with a server, and a person's as OpenAPI's components name it"),
    "Transition": (2, SHAPE),
    "UnknownModel": (2, FACE),
    "WaitingNeed": (2, SHAPE),
    "Workflow": (2, PUBLIC),
}


def class_names(source: str) -> Iterator[str]:
    """Yield the classes of a module that others may import."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


def test_two_classes_share_a_name_only_where_both_mean_the_same() -> None:
    named = Counter(
        name for path in SRC.rglob("*.py") for name in class_names(path.read_text(encoding="utf-8"))
    )

    assert {name: count for name, count in named.items() if count > 1} == {
        name: count for name, (count, _) in SHARED.items()
    }
