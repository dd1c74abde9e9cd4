"""Directives for the reference, which has one entry for each public name, and nothing else.

``public-package`` shows the docstring of a package, and ``public`` documents names of it, one a
line.  A name is documented as it is imported, whatever module it is defined in, and text that
refers to it by a shorter name, or by that module, links to its entry.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from enum import Enum
from functools import cache
from typing import Any, ClassVar

from classes import members_without_text, on_one_line, with_bases, with_defaults
from docutils import nodes
from docutils.statemachine import StringList
from implementation import forget_notes
from links import NamesInProse, resolve
from published import exported, is_implementation
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective


@cache
def described(module: str) -> dict[str, list[str]]:
    """The docstrings of a module's constants and unions."""
    docs = ModuleAnalyzer.for_module(module).find_attr_docs()
    return {name: lines for (owner, name), lines in docs.items() if not owner}


class _Generated(SphinxDirective):
    def lines(self) -> Iterator[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        parent = nodes.section()
        parent.document = self.state.document
        source = f"<generated for {self.arguments[0]}>"
        self.state.nested_parse(StringList(list(self.lines()), source), 0, parent)
        return parent.children


class PublicPackage(_Generated):
    """The docstring of a package that has public names."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def lines(self) -> Iterator[str]:
        yield from [f".. automodule:: {self.arguments[0]}", "   :no-members:", ""]


class Public(_Generated):
    """Entries for names of a package."""

    required_arguments = 1
    has_content = True

    def lines(self) -> Iterator[str]:
        package = self.arguments[0]
        for name in self.content:
            yield from self.entry(package, name.strip())

    def entry(self, package: str, name: str) -> Iterator[str]:
        full = f"{package}.{name}"
        value = getattr(importlib.import_module(package), name)
        if inspect.isclass(value):
            kind = "autoexception" if issubclass(value, BaseException) else "autoclass"
            yield from [f".. {kind}:: {full}", "   :members:"]
            bases = value.__mro__[1:]
            if any(is_implementation(cls) for cls in bases):  # those have no entries of their own
                # Sphinx asks for subclasses of these, and protocols do not answer.
                others = [
                    cls.__name__
                    for cls in bases
                    if not is_implementation(cls) and not getattr(cls, "_is_protocol", False)
                ]
                yield f"   :inherited-members: {', '.join(others)}"
            if issubclass(value, Enum):
                yield "   :undoc-members:"
            yield ""
            for member, kind in members_without_text(value):
                yield from [f"   .. {kind}:: {full}.{member}", ""]
        elif inspect.isroutine(value):
            yield from [f".. autofunction:: {full}", ""]
        else:
            module = exported(package)[name]
            yield from [f".. py:data:: {name}", f"   :module: {package}"]
            yield from [f"   :canonical: {module}.{name}", ""]
            yield from (f"   {line}" for line in described(module).get(name, []))
            members = getattr(value, "__args__", ())
            if members and all(inspect.isclass(each) for each in members):
                yield from ["", f"   One of {', '.join(f'`{each.__name__}`' for each in members)}."]
            yield ""


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    forget_notes()
    app.add_directive("public-package", PublicPackage)
    app.add_directive("public", Public)
    app.setup_extension("sphinx.ext.autodoc")  # whose event is used
    app.add_transform(NamesInProse)
    app.connect("missing-reference", resolve)
    app.connect("autodoc-process-signature", with_defaults)
    app.connect("autodoc-process-docstring", with_bases)
    app.connect("object-description-transform", on_one_line)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
