"""The directives ``boxes`` and ``lanes``, which have the source of a drawing inside.

The argument of either is what people are told who do not see it.  Where no pages are made, the
source itself is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from drawings import boxes, lanes
from drawings.shapes import STYLE, Drawing, svg
from drawings.source import SourceError

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
    nodes.literal_block(node["source"], node["source"]).walkabout(translator)
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, object]:
    """Called by Sphinx."""
    app.add_directive("boxes", Boxes)
    app.add_directive("lanes", Lanes)
    app.add_node(
        DrawingNode, html=(_html, None), text=(_text, None), latex=(_text, None),
        man=(_text, None), texinfo=(_text, None),
    )  # fmt: skip
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
