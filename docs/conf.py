"""Sphinx builds the guides and the reference into a site: ``make site``."""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

project = "Transformers by Hand"
author = "the course's maintainers"
release = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["benchmarks/*.png", "_build"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath", "colon_fence"]
# Links to lessons and code leave the site; they work where the pages are read as plain files.
suppress_warnings = ["myst.xref_missing", "myst.header"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "special-members": "__call__"}
html_theme = "furo"
html_title = "Transformers by Hand"
html_show_sourcelink = False
html_copy_source = False
