"""Links to entries of the reference, from text and types that spell a name in any way.

Code in the pages is a link if it is the name of something public, or of Trio's or Python's.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter
from pathlib import Path
from typing import Any

from docutils import nodes
from elsewhere import address_of
from implementation import find_type, is_alias, is_there, is_type_variable, union_for_checkers
from published import (
    field_names,
    full_names,
    packages_with,
    public,
    public_value,
    short_names,
    spelled,
)
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import ObjectEntry
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util.nodes import make_refnode
from sphinx.util.typing import stringify_annotation

__all__ = ["NamesInProse", "resolve"]


class NamesInProse(SphinxTransform):
    """Makes links of names in the pages; Markdown has no other sign for them than for all code."""

    default_priority = 400  # before references are resolved
    _NAME = re.compile(r"(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:\(\))?")

    def apply(self, **_: Any) -> None:
        if Path(self.env.doc2path(self.env.docname)).suffix == ".rst":
            return  # which has roles for that
        used = self._packages()
        for literal in list(self.document.findall(nodes.literal)):
            parent: nodes.Node | None = literal.parent
            while parent is not None and not isinstance(parent, nodes.reference | nodes.title):
                parent = parent.parent
            found = self._NAME.fullmatch(literal.astext())
            if parent is None and found:
                name = self._with_package(found["name"], used)
                if self._is_known(name):
                    literal.replace_self(self._reference(name, literal))

    def _packages(self) -> Counter[str]:
        """How often the page, in its text and in its programs, uses what each package has."""
        names = (each.astext().partition(".")[0] for each in self.document.findall(nodes.literal))
        known = (short_names()[name] for name in names if name in short_names())
        used = Counter(full.rpartition(".")[0] for full in known)
        for block in self.document.findall(nodes.literal_block):
            used.update(re.findall(r"^from (\S+) import", block.astext(), re.MULTILINE))
        return used

    @staticmethod
    def _with_package(name: str, used: Counter[str]) -> str:
        """A name that several packages have is that of the one which the page uses most."""
        packages = sorted(packages_with(name.partition(".")[0]), key=lambda each: -used[each])
        if packages and used[packages[0]] > used[packages[1]]:
            return f"{packages[0]}.{name}"
        return name

    @staticmethod
    def _is_known(name: str) -> bool:
        if name.startswith("trio.") or name in full_names():
            return True
        head, dot, attribute = name.partition(".")
        if head in short_names():
            value = public_value(short_names()[head])
            return not dot or hasattr(value, attribute) or attribute in field_names(value)
        return bool(dot) and address_of(name) is not None

    def _reference(self, name: str, literal: nodes.literal) -> pending_xref:
        return pending_xref(
            "",
            literal.deepcopy(),
            refdoc=self.env.docname,
            refdomain="py",
            reftype="obj",
            reftarget=name,
            refexplicit=True,
            refwarn=True,
        )


def entry_of(env: BuildEnvironment, full: str, attribute: str) -> ObjectEntry | None:
    """The entry of a public name, or of an attribute, which may be that of a base."""
    objects = env.domains.python_domain.objects
    value = public_value(full)
    names = [full]
    if attribute and inspect.isclass(value):
        bases = (f"{base.__module__}.{base.__qualname__}" for base in value.__mro__[1:])
        names += [public()[base][0] for base in bases if base in public()]
    return next((objects[name + attribute] for name in names if name + attribute in objects), None)


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """Resolve references that spell a public name, or an attribute of one, in another way."""
    if node.get("refdomain") != "py":
        return None
    head, tail = node["reftarget"].lstrip(".~"), ""
    while head:
        full = spelled(head)
        if full is not None:
            entry = entry_of(env, full, tail)
            if entry is None:
                return None
            place = node["refdoc"], entry.docname, entry.node_id
            return make_refnode(app.builder, *place, content, full + tail)
        head, dot, last = head.rpartition(".")
        tail = f"{dot}{last}{tail}"
    name = node["reftarget"].lstrip(".~")
    owner = spelled(f"{node.get('py:module')}.{node.get('py:class')}")
    if owner and (entry := entry_of(env, owner, f".{name}")):  # of a base
        place = node["refdoc"], entry.docname, entry.node_id
        return make_refnode(app.builder, *place, content, f"{owner}.{name}")
    if address := address_of(name):
        return nodes.reference("", "", content, internal=False, refuri=address)
    if node["reftype"] == "obj":
        return content if is_there(name) else None
    return type_shown(name, content)


def type_shown(name: str, content: nodes.TextElement) -> nodes.Element | None:
    """A type that has no entry: a class with what it is, others as what they are made of."""
    value = find_type(name)
    if is_alias(value):
        return nodes.inline("", stringify_annotation(value, "smart").replace("~", ""))
    if text := union_for_checkers(name):
        return nodes.inline("", text)
    if inspect.isclass(value):
        about = (inspect.getdoc(value) or "").partition("\n")[0].replace("`", "")
        return nodes.abbreviation("", "", content, explanation=about)
    return content if is_type_variable(name) else None
