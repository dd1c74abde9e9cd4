"""Two directives that generate the reference, so that it misses no module and no name.

``public-modules`` documents every module of a package that has public names, and ``public-names``
lists the names of the package itself, each with a link to its documentation.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective


def modules_of(package_name: str) -> Iterator[ModuleType]:
    """Yield the package and all of its modules, except programs."""
    package = importlib.import_module(package_name)
    yield package
    for found in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{package_name}."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def own_names(module: ModuleType) -> list[str]:
    """Return the public names that a module defines itself rather than re-exports."""
    public = getattr(module, "__all__", ())
    if not public:
        return []
    documented = {name for _, name in ModuleAnalyzer.for_module(module.__name__).find_attr_docs()}
    return [
        name
        for name in public
        if getattr(getattr(module, name), "__module__", None) == module.__name__
        or name in documented
    ]


class _Generated(SphinxDirective):
    required_arguments = 1

    def lines(self) -> Iterator[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        source = f"<generated for {self.arguments[0]}>"
        parent = nodes.section()
        parent.document = self.state.document
        self.state.nested_parse(
            StringList(list(self.lines()), source), 0, parent, match_titles=True
        )
        return parent.children


class PublicModules(_Generated):
    """A section for each module of a package."""

    optional_arguments = 100  # further packages and modules
    option_spec: ClassVar[dict[str, Any]] = {}

    def lines(self) -> Iterator[str]:
        for package in self.arguments:
            for module in modules_of(package):
                name = module.__name__
                title = f"``{name.removeprefix('simplex_trio.')}``"
                yield from [title, "-" * len(title), "", f".. automodule:: {name}"]
                own = own_names(module)
                yield from [f"   :members: {', '.join(own)}" if own else "   :no-members:", ""]


class PublicNames(_Generated):
    """The names in ``__all__`` of a package, with the summaries of their docstrings."""

    def lines(self) -> Iterator[str]:
        package = importlib.import_module(self.arguments[0])
        for name in sorted(package.__all__, key=str.lower):
            value = getattr(package, name)
            where = getattr(value, "__module__", None)
            target = f"~{where}.{name}" if isinstance(where, str) else name
            sentence = (inspect.getdoc(value) or "").partition("\n\n")[0].replace("\n", " ")
            described = inspect.isclass(value) or inspect.isfunction(value)
            yield f"* :py:obj:`{target}`" + (f": {sentence}" if described and sentence else "")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("public-modules", PublicModules)
    app.add_directive("public-names", PublicNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
