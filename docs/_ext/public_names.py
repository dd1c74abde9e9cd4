"""Directives for the reference, which has one entry for each public name, and nothing else.

``public-package`` shows the docstring of a package, and ``public`` documents names of it, one a
line.  A name is documented as it is imported, whatever module it is defined in, and text that
refers to it by a shorter name, or by that module, links to its entry.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode


@cache
def exported(package: str) -> dict[str, str]:
    """The public names of a package, each with the module that defines it."""
    loaded = importlib.import_module(package)
    assert loaded.__file__ is not None
    found = {
        alias.name: statement.module
        for statement in ast.walk(ast.parse(Path(loaded.__file__).read_text()))
        if isinstance(statement, ast.ImportFrom) and statement.module is not None
        for alias in statement.names
    }
    return {name: found[name] for name in loaded.__all__}


@cache
def public() -> dict[str, tuple[str, Any]]:
    """The full public name and the value of each public object, by where it is defined."""
    root = importlib.import_module("simplex_trio")
    found = pkgutil.walk_packages(root.__path__, "simplex_trio.")
    packages = ["simplex_trio", *(each.name for each in found if each.ispkg)]
    return {
        f"{module}.{name}": (f"{package}.{name}", getattr(sys.modules[package], name))
        for package in packages
        if hasattr(importlib.import_module(package), "__all__")
        for name, module in exported(package).items()
    }


def is_implementation(cls: type) -> bool:
    """Whether a class is one of ours without being public."""
    is_ours = cls.__module__.partition(".")[0] == "simplex_trio"
    return is_ours and f"{cls.__module__}.{cls.__qualname__}" not in public()


@cache
def short_names() -> dict[str, str]:
    """The full public name by the last part of it, for those that have it to themselves.

    Names of the first page win over those of packages below.
    """
    found: dict[str, list[str]] = {}
    for full, _ in public().values():
        found.setdefault(full.rpartition(".")[2], []).append(full)
    return {
        name: min(names, key=lambda full: full.count("."))
        for name, names in found.items()
        if len(names) == 1 or any(full.count(".") == 1 for full in names)
    }


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
                others = [cls.__name__ for cls in bases if not is_implementation(cls)]
                yield f"   :inherited-members: {', '.join(others)}"
            yield ""
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


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """Resolve references that spell a public name, or an attribute of one, in another way."""
    if node.get("refdomain") != "py":
        return None
    head, tail = node["reftarget"].lstrip(".~"), ""
    while head:
        full = public()[head][0] if head in public() else short_names().get(head)
        if full is not None:
            entry = env.domains.python_domain.objects.get(full + tail)
            if entry is None:
                return None
            place = node["refdoc"], entry.docname, entry.node_id
            return make_refnode(app.builder, *place, content, full + tail)
        head, dot, last = head.rpartition(".")
        tail = f"{dot}{last}{tail}"
    return None


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("public-package", PublicPackage)
    app.add_directive("public", Public)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
