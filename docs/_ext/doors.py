"""The four doors of the documentation: which one a page is behind, and what else is there.

A door is a page that the landing page's table of contents names; the pages behind it are in its
folder.  The theme shows the doors at the top of each page, and beside it the pages behind its door,
in the groups that the door has.

The directive ``pages`` makes such a group: a list of pages, each line with what a page is about.
It takes the place of a table of contents, and the heading above it is the name of the group.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import attrs
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.addnodes import pending_xref, toctree
from sphinx.application import Sphinx
from sphinx.directives.other import TocTree
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

_MADE_BY_SPHINX = {"/genindex": "All names"}


@attrs.frozen
class Link:
    """A page in the navigation, with those below it."""

    title: str
    docname: str
    groups: tuple[Group, ...]
    is_open: bool


@attrs.frozen
class Group:
    """Pages under one heading."""

    caption: str
    links: tuple[Link, ...]


@attrs.frozen
class Door:
    """One of the four parts."""

    name: str
    docname: str
    is_current: bool


class Pages(SphinxDirective):
    """A group of pages: ``name: what it is about``, or ``title <name>: what it is about``."""

    has_content = True
    _ENTRY = re.compile(r"(?P<entry>(?:(?P<title>[^<:]+) <)?(?P<page>[\w/-]+)>?): (?P<about>.+)")

    def run(self) -> list[nodes.Node]:
        """Both the list and the table of contents, which is not shown."""
        shown = nodes.bullet_list(classes=["links"])
        entries = []
        for line in self.content:
            found = self._ENTRY.fullmatch(line.strip())
            if found is None:
                raise self.error(f"not a page and what it is about: {line!r}")
            entries.append(found["entry"])
            about, problems = self.parse_inline(found["about"], lineno=self.lineno)
            link = nodes.paragraph("", "", self._link(found["page"], found["title"]))
            shown += nodes.list_item("", link, nodes.paragraph("", "", *about), *problems)
        content = StringList(entries, self.content.source(0))
        table = TocTree(
            *[self.name, [], {"hidden": None}, content, self.lineno, self.content_offset],
            *[self.block_text, self.state, self.state_machine],
        )
        return [shown, *table.run()]

    def _link(self, page: str, title: str | None) -> nodes.Element:
        if page in _MADE_BY_SPHINX:
            title = title or _MADE_BY_SPHINX[page]
            return pending_xref("", nodes.inline("", title), refdomain="std", reftype="ref",
                                reftarget=page.lstrip("/"), refexplicit=True, refwarn=True,
                                refdoc=self.env.docname)  # fmt: skip
        return pending_xref("", nodes.inline("", title or page), refdomain="std", reftype="doc",
                            reftarget=page, refexplicit=title is not None, refwarn=True,
                            refdoc=self.env.docname)  # fmt: skip


def caption_of(table: toctree) -> str:
    """The caption of a table of contents, or the heading that it is below."""
    if caption := table.get("caption"):
        return str(caption)
    sections: list[nodes.Node] = []
    node: nodes.Node | None = table
    while node is not None:
        if isinstance(node, nodes.list_item):
            sections.append(node)
        node = node.parent
    if len(sections) < 2:  # the outermost is the page itself
        return ""
    return sections[0].children[0].astext()


def groups_below(env: BuildEnvironment, docname: str, shown: str) -> Iterator[Group]:
    """The groups of pages that a page has, as they are seen from the page that is shown."""
    if docname not in env.tocs:
        return
    for table in env.tocs[docname].findall(toctree):
        links = []
        for title, target in table["entries"]:
            below = tuple(groups_below(env, target, shown))
            is_open = shown == target or any(
                link.docname == shown for group in below for link in group.links
            )
            title = title or _MADE_BY_SPHINX.get(f"/{target}") or env.titles[target].astext()
            links.append(Link(title, target, below, is_open))
        yield Group(caption_of(table), tuple(links))


def add_doors(
    app: Sphinx, pagename: str, _template: str, context: dict[str, Any], _tree: nodes.document
) -> None:
    """Tell the theme's templates of the doors, and of the pages behind that of this page."""
    env = app.env
    part = pagename.partition("/")[0]
    doors = [
        Door(link.title, link.docname, link.docname.partition("/")[0] == part)
        for group in groups_below(env, env.config.root_doc, pagename)
        for link in group.links
    ]
    context["doors"] = doors
    context["groups"] = [
        group
        for door in doors
        if door.is_current
        for group in groups_below(env, door.docname, pagename)
    ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("pages", Pages)
    app.connect("html-page-context", add_doors)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
