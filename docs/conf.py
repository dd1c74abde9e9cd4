"""Configuration of the documentation; `nox -s docs` builds it, with warnings as errors."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "simplex_trio"
author = "The simplex_trio developers"
project_copyright = author
version = release = installed_version("simplex-trio")

extensions = [
    "doors",
    "drawings.directives",
    "myst_parser",
    "public_names",
    "sphinx.ext.autodoc",
    "sphinxcontrib_trio",
]
exclude_patterns = ["_build", "_themes"]

default_role = "py:obj"  # docstrings refer to names in single backticks
myst_heading_anchors = 3

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True

# A name that nothing in the package or in the libraries below it has is a mistake.
nitpicky = True
# Several protocols have a Message and a Command, so a short name in a type may match either.
suppress_warnings = ["ref.python"]

html_theme_path = ["_themes"]
html_theme = html_title = "simplex_trio"
html_search_scorer = str(Path(__file__).parent / "_themes" / "simplex_trio" / "scorer.js")
# A page has the names of its classes beside it, and below them their methods, by their own names.
toc_object_entries_show_parents = "hide"
# A signature that is longer than a line has one for each parameter.
maximum_signature_line_length = 88
