"""Drawings of the documentation, made from text in its pages when it is built.

A page has the source of a drawing between fences, in one of two small languages: `boxes` for things
beside each other with arrows between them, `lanes` for what parties say to each other in time.
Either is legible where pages are not built.  The docstrings of `boxes`, `lanes` and `source` are
what there is to know about the languages.

All is pure but the directives: a source becomes a `Drawing`, which is values, and that becomes SVG
that needs no fonts and no network, follows the theme's switch between light and dark, and has a
second layout for phones.
"""
