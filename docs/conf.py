"""Sphinx, for `make docs`. It asks no network: `inventories/` has what it links to elsewhere."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "zkdict"
author = "The zkdict developers"
copyright = f"2026, {author}"
version = release = version_of("zkdict")
root_doc = "index"
html_theme = "furo"
html_title = f"zkdict {release}"
html_static_path: list[str] = []
nitpicky = True

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "docstrings",
    "public_names",
]

# Pages are read in the repository, too: they keep to what every reader of Markdown knows. Only the
# index and the reference have directives.
myst_heading_anchors = 4

# `word` in a docstring is a link where there is something of that name, and code where not.
default_role = "py:obj"
nitpick_ignore_regex = [("py:obj", ".*")]

autodoc_default_options = {
    "members": True,
    "special-members": "__getitem__, __setitem__, __delitem__",
    # Up to these, whose methods everybody knows.
    "inherited-members": "object, dict, tuple, Exception, BaseException, KeyError, LookupError, "
    "Enum, Generic, Collection, Sequence, Mapping, MutableMapping, RuleBasedStateMachine",
    "show-inheritance": True,
}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
add_module_names = False  # each page is of one module
python_maximum_signature_line_length = 88

# Listings in the first version of the format, which is plain text: what the reference names, and no
# more.
_INVENTORIES = {
    "python": "https://docs.python.org/3/",
    "kazoo": "https://kazoo.readthedocs.io/en/latest/",
    "pytest": "https://docs.pytest.org/en/stable/",
    "hypothesis": "https://hypothesis.readthedocs.io/en/latest/",
}
intersphinx_mapping = {
    name: (address, f"inventories/{name}.txt") for name, address in _INVENTORIES.items()
}
