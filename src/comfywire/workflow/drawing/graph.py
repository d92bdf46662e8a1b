"""A workflow to look at: as text, as Mermaid for Markdown, as SVG for notebooks and pages."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from comfywire.workflow.drawing.layout import Arrangement, DrawnLink, arrange, links_of
from comfywire.workflow.node import is_link

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comfywire.workflow.node import Node
    from comfywire.workflow.workflow_like import WorkflowLike

__all__ = ["GraphForm", "draw"]

GraphForm: TypeAlias = Literal["text", "mermaid", "svg"]

_WIDTH, _GAP_X, _GAP_Y, _LINE, _HEAD, _MARGIN = 220, 70, 18, 15, 22, 12
_MOST_VALUES = 6  # shown in a node of a drawing; the prompt has the rest


def draw(workflow: WorkflowLike, form: GraphForm = "text") -> str:
    """Return the graph as ``text``, ``mermaid`` or ``svg``.

    Raises:
        ValueError: There is no such form.

    """
    match form:
        case "text":
            return "\n".join(_text_lines(workflow))
        case "mermaid":
            return "\n".join(_mermaid_lines(workflow))
        case "svg":
            return _Drawing(workflow).svg()
    raise ValueError(f"a graph is drawn as 'text', 'mermaid' or 'svg', not {form!r}")


def _text_lines(workflow: WorkflowLike) -> Iterator[str]:
    """Yield each node behind those that it waits for, with its values and where its links come from."""
    outputs = {node.id for node in workflow.output_nodes}
    for node_id in arrange(workflow.prompt).order:
        node = workflow[node_id]
        own = f" {node.title!r}" if node.title != node.class_type else ""
        yield f"{node.id} {node.class_type}{own}{'  (output)' if node_id in outputs else ''}"
        for name, value in node.inputs.items():
            yield f"    {name} {_arrow(workflow, value) if is_link(value) else f'= {_show(value, 90)}'}"


def _arrow(workflow: WorkflowLike, link: list[Any]) -> str:
    if link[0] not in workflow.prompt:
        return f"<- {link[0]} (not there) {link[1]}"
    origin = workflow[link[0]]
    return f"<- {origin.id} {origin.title} {_output_name(origin, link[1])}"


def _output_name(node: Node, slot: Any) -> str:
    outputs = node.definition.outputs if node.definition else ()
    return outputs[slot].name if isinstance(slot, int) and 0 <= slot < len(outputs) else str(slot)


def _mermaid_lines(workflow: WorkflowLike) -> Iterator[str]:
    # Ids of Mermaid are plain words; ours may be "12:5", so the nodes are numbered anew.
    numbers = {node_id: f"n{number}" for number, node_id in enumerate(workflow.prompt)}
    outputs = {node.id for node in workflow.output_nodes}
    yield "flowchart LR"
    for node in workflow:
        own = f"<br>{_plain(node.class_type)}" if node.title != node.class_type else ""
        label = f'"{_plain(node.title)}{own}<br>{_plain(node.id)}"'
        shape = f"([{label}])" if node.id in outputs else f"[{label}]"
        yield f"    {numbers[node.id]}{shape}"
    for link in links_of(workflow.prompt):
        name = _plain(_output_name(workflow[link.origin], link.slot))
        yield f'    {numbers[link.origin]} -- "{name}" --> {numbers[link.target]}'


def _plain(text: str) -> str:
    """Return ``text`` for a Mermaid label: nothing in it is markup."""
    return re.sub(r"[^\w .,:+()-]", lambda found: f"#{ord(found[0])};", " ".join(text.split())[:60])


class _Drawing:
    """An SVG of a workflow: boxes in columns, links as curves between them."""

    def __init__(self, workflow: WorkflowLike) -> None:
        self.workflow = workflow
        self.layout: Arrangement = arrange(workflow.prompt)
        self.links: list[DrawnLink] = links_of(workflow.prompt)
        self.outputs = {node.id for node in workflow.output_nodes}
        self.rows = {node.id: list(_rows(node)) for node in workflow}
        self.places = dict(self._places())

    def svg(self) -> str:
        """Return the drawing; its colours follow the page's, light or dark."""
        width = 2 * _MARGIN + max(0, len(self.layout.columns) * (_WIDTH + _GAP_X) - _GAP_X)
        height = _MARGIN + max(
            (y + self._height(node_id) for node_id, (_, y) in self.places.items()), default=0
        )
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" font-family="system-ui, sans-serif" font-size="11" fill="currentColor">'
        )
        links, boxes = map(self._link, self.links), map(self._box, self.workflow)
        return "\n".join([head, *links, *boxes, "</svg>"])

    def _height(self, node_id: str) -> int:
        return _HEAD + _LINE * len(self.rows[node_id]) + 6

    def _places(self) -> Iterator[tuple[str, tuple[int, int]]]:
        for column, node_ids in enumerate(self.layout.columns):
            y = _MARGIN
            for node_id in node_ids:
                yield node_id, (_MARGIN + column * (_WIDTH + _GAP_X), y)
                y += self._height(node_id) + _GAP_Y

    def _link(self, link: DrawnLink) -> str:
        x1, y1 = self.places[link.origin]
        x2, y2 = self.places[link.target]
        names = [name for name, _ in self.rows[link.target]]
        row = names.index(link.input) if link.input in names else len(names)
        x1, y1, y2 = x1 + _WIDTH, y1 + _HEAD // 2, y2 + _HEAD + _LINE * row + _LINE // 2
        bend = (x1 + x2) // 2
        label = _svg_text(_output_name(self.workflow[link.origin], link.slot), 60)
        return (
            f'<path d="M{x1} {y1} C{bend} {y1} {bend} {y2} {x2} {y2}" fill="none" stroke="currentColor" '
            f'opacity="0.45"><title>{label}</title></path>'
        )

    def _box(self, node: Node) -> str:
        x, y = self.places[node.id]
        stroke = 2 if node.id in self.outputs else 1
        frame = (
            f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{self._height(node.id)}" rx="6" fill="#888" '
            f'fill-opacity="0.12" stroke="currentColor" stroke-width="{stroke}"/>'
        )
        title = f'<text x="{x + 8}" y="{y + 15}" font-weight="600">{_svg_text(node.title, 30)}</text>'
        rows = [f"{name}: {value}" if value else name for name, value in self.rows[node.id]]
        below = y + _HEAD + 11
        texts = [
            f'<text x="{x + 8}" y="{below + _LINE * number}" opacity="0.8">{_svg_text(row, 38)}</text>'
            for number, row in enumerate(rows)
        ]
        return f"<g><title>{_svg_text(str(node), 200)}</title>{frame}{title}{''.join(texts)}</g>"


def _rows(node: Node) -> Iterator[tuple[str, str]]:
    links = [name for name, value in node.inputs.items() if is_link(value)]
    values = {name: value for name, value in node.inputs.items() if not is_link(value)}
    yield from ((name, "") for name in links)
    for name in list(values)[:_MOST_VALUES]:
        yield name, _show(values[name], 40)


def _show(value: Any, most: int) -> str:
    shown = json.dumps(value, ensure_ascii=False, default=repr)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _svg_text(text: str, most: int) -> str:
    # XML has no way at all to write most control characters, nor half of a character pair.
    clean = "".join(character if character.isprintable() else " " for character in text)
    return html.escape(clean if len(clean) <= most else clean[: most - 1] + "…")
