"""Directives for the reference, which has one entry for each public name, and nothing else.

``public-package`` shows the docstring of a package, and ``public`` documents names of it, one a
line.  A name is documented as it is imported, whatever module it is defined in, and text that
refers to it by a shorter name, or by that module, links to its entry.  So does code in the pages
that is the name of something public, or of Trio's or Python's, and nothing else.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import attrs
from docutils import nodes
from docutils.statemachine import StringList
from elsewhere import address_of
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import ObjectEntry
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.inspect import signature as sphinx_signature
from sphinx.util.inspect import stringify_signature
from sphinx.util.nodes import make_refnode

_LONGEST_DEFAULT = 60
"""Characters of a default that is shown."""


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


class NamesInProse(SphinxTransform):
    """Makes links of names in the pages; Markdown has no other sign for them than for all code."""

    default_priority = 400  # before references are resolved
    _NAME = re.compile(r"(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:\(\))?")

    def apply(self, **_: Any) -> None:
        if Path(self.env.doc2path(self.env.docname)).suffix == ".rst":
            return  # which has roles for that
        for literal in list(self.document.findall(nodes.literal)):
            parent: nodes.Node | None = literal.parent
            while parent is not None and not isinstance(parent, nodes.reference | nodes.title):
                parent = parent.parent
            found = self._NAME.fullmatch(literal.astext())
            if parent is None and found and self._is_known(found["name"]):
                literal.replace_self(self._reference(found["name"], literal))

    @staticmethod
    def _is_known(name: str) -> bool:
        head, dot, attribute = name.partition(".")
        if name.startswith("trio."):
            return True
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


def public_value(full: str) -> Any:
    """What a full public name stands for."""
    package, _, name = full.rpartition(".")
    return getattr(sys.modules[package], name)


def field_names(value: Any) -> frozenset[str]:
    """The names of the fields of a class of attrs."""
    is_attrs = inspect.isclass(value) and attrs.has(value)
    return frozenset(each.name for each in attrs.fields(value)) if is_attrs else frozenset()


class _Shown:
    """A default, as it is shown."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def with_defaults(
    _app: Sphinx, _what: str, _name: str, value: Any, _options: Any, signature: str, _returns: str
) -> tuple[str, str] | None:
    """The signature of a class of attrs with its defaults, which its constructor hides."""
    if not (inspect.isclass(value) and attrs.has(value) and signature):
        return None
    fields = {each.alias: each for each in attrs.fields(value)}
    found = sphinx_signature(value)
    shown = [
        each.replace(default=_Shown(_default(fields[each.name].default)))
        if each.name in fields and each.default is not each.empty
        else each
        for each in found.parameters.values()
    ]
    replaced = found.replace(parameters=shown, return_annotation=found.empty)
    return stringify_signature(replaced, unqualified_typehints=True), ""


def _default(value: Any) -> str:
    if isinstance(value, attrs.Factory):  # type: ignore[arg-type]
        factory = value.factory
        return f"{factory.__name__}()" if inspect.isclass(factory) else "..."
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if inspect.isroutine(value) or inspect.isclass(value):
        return value.__name__
    text = repr(value)
    return text if len(text) <= _LONGEST_DEFAULT else "..."


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
        full = public()[head][0] if head in public() else short_names().get(head)
        if full is not None:
            entry = entry_of(env, full, tail)
            if entry is None:
                return None
            place = node["refdoc"], entry.docname, entry.node_id
            return make_refnode(app.builder, *place, content, full + tail)
        head, dot, last = head.rpartition(".")
        tail = f"{dot}{last}{tail}"
    address = address_of(node["reftarget"].lstrip(".~"))
    if address is None:
        return None
    return nodes.reference("", "", content, internal=False, refuri=address)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("public-package", PublicPackage)
    app.add_directive("public", Public)
    app.setup_extension("sphinx.ext.autodoc")  # whose event is used
    app.add_transform(NamesInProse)
    app.connect("missing-reference", resolve)
    app.connect("autodoc-process-signature", with_defaults)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
