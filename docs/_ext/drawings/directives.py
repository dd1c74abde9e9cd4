"""The directives ``boxes``, ``lanes`` and ``bars``, which have the source of a drawing inside.

Their argument is what people are told who do not see it.  Where no pages are made, the source is
shown.  ``chart`` compares two columns of the table before it::

    ```{chart} What people are told who do not see it.
    here: 1
    the reference: 2
    µs of processor time, on a logarithmic scale; less is better
    ```
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.logging import getLogger

from drawings import boxes, charts, lanes
from drawings.shapes import STYLE, Drawing, svg
from drawings.source import SourceError

_log = getLogger(__name__)

_STYLED = "drawings:styled"


class DrawingNode(nodes.General, nodes.Element):
    """A drawing in a page."""


class _Drawing(SphinxDirective):
    has_content = True
    required_arguments = 1
    final_argument_whitespace = True
    drawn: ClassVar[Callable[[Sequence[str]], Mapping[str, Drawing]]]

    def run(self) -> list[nodes.Node]:
        [alt] = self.arguments
        try:
            drawn = type(self).drawn(list(self.content))
        except SourceError as exc:
            raise self.error(str(exc)) from exc
        node = DrawingNode(
            source="\n".join(self.content), alt=" ".join(alt.split()),
            drawings=dict(drawn), style="" if self.env.temp_data.get(_STYLED) else STYLE,
        )  # fmt: skip
        self.env.temp_data[_STYLED] = True  # the rules are once in each page
        self.set_source_info(node)
        return [node]


class Boxes(_Drawing):
    """Boxes and arrows."""

    drawn = boxes.drawings


class Lanes(_Drawing):
    """What parties say to each other."""

    drawn = lanes.drawings


class Bars(_Drawing):
    """Amounts."""

    drawn = charts.bars


class ChartNode(DrawingNode):
    """A chart whose table is not known yet."""


class Chart(SphinxDirective):
    """Two columns of the table before it."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        [alt] = self.arguments
        node = ChartNode(lines=list(self.content), alt=" ".join(alt.split()))
        self.set_source_info(node)
        return [node]


def _draw_charts(_: Sphinx, doctree: nodes.document) -> None:
    """Give each chart the figures of its table."""
    for node in list(doctree.findall(ChartNode)):
        try:
            drawn = charts.compared(charts.Comparison.parse(node["lines"]), _rows_before(node))
        except SourceError as exc:
            _log.warning("a chart cannot be drawn: %s", exc, location=node)
            continue
        style = "" if any(each["style"] for each in _drawings(doctree)) else STYLE
        node.replace_self(DrawingNode(source="", alt=node["alt"], drawings=drawn, style=style))


def _drawings(doctree: nodes.document) -> Iterator[DrawingNode]:
    return (each for each in doctree.findall(DrawingNode) if not isinstance(each, ChartNode))


def _rows_before(node: nodes.Element) -> Iterator[list[str]]:
    """The rows of the table before a node, without its head."""
    assert node.parent is not None
    before = node.parent[node.parent.index(node) - 1]
    if not isinstance(before, nodes.table):
        raise SourceError("there is no table before it")
    [body] = before.findall(nodes.tbody)
    for row in body.findall(nodes.row):
        yield [entry.astext() for entry in row.findall(nodes.entry)]


def _html(translator: nodes.NodeVisitor, node: DrawingNode) -> None:
    drawn: Mapping[str, Drawing] = node["drawings"]
    kinds = drawn if len(drawn) > 1 else {"": drawn["wide"]}
    pictures = "".join(
        svg(drawn[kind or "wide"], node["alt"], kind=kind, style="") for kind in kinds
    )
    style = f"<style>{node['style']}</style>" if node["style"] else ""
    translator.body.append(f'<div class="drawing-around">{style}{pictures}</div>\n')
    raise nodes.SkipNode


def _text(translator: nodes.NodeVisitor, node: DrawingNode) -> None:
    if node["source"]:
        nodes.literal_block(node["source"], node["source"]).walkabout(translator)
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, object]:
    """Called by Sphinx."""
    app.add_directive("boxes", Boxes)
    app.add_directive("lanes", Lanes)
    app.add_directive("bars", Bars)
    app.add_directive("chart", Chart)
    app.connect("doctree-read", _draw_charts)
    app.add_node(
        DrawingNode, html=(_html, None), text=(_text, None), latex=(_text, None),
        man=(_text, None), texinfo=(_text, None),
    )  # fmt: skip
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
