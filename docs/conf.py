"""How the site is built: Sphinx, with MyST-NB for the pages. `make site` runs it."""

import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools import explorers, site  # noqa: E402 (after the path is set)

project, author, copyright = "probnn", "the authors of probnn", "MIT licence"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
# the repository itself is the source, so that links are the same here and there
include_patterns = ["docs/**", "notebooks/**", "tests/MISTAKES.md"]
exclude_patterns = ["[.]*", "[!dnt]*", "docs/_static", "tests/[!M]*", "tools"]

nb_execution_mode = "off"
nb_ipywidgets_js = {}  # nothing is loaded from elsewhere
nb_number_source_lines = False
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header", "mystnb.unknown_mime_type", "ref.python"]
html_math_renderer = "mathml"

default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say shapes, too
add_module_names = False
napoleon_custom_sections = [("Source", "notes_style")]
napoleon_use_ivar = True

html_theme = "sphinx_book_theme"
html_title = "probnn"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_search_summary = False  # a page opened as a file may not read others
html_copy_source = html_show_copyright = html_show_sphinx = False
html_theme_options = {
    "show_toc_level": 2,
    "navbar_persistent": [],  # one search field is enough
    "use_download_button": False,
    "use_fullscreen_button": False,
    **site.links_to(site.repository()),
}


def setup(app: Sphinx) -> None:
    """What the theme and the extensions leave to us."""
    app.add_html_math_renderer("mathml", (site.inline_math, None), (site.display_math, None))
    app.connect("source-read", site.add_entries)
    app.connect("source-read", site.fold_code)
    app.connect("doctree-resolved", site.close_appendix)
    app.connect("html-page-context", explorers.add_explorer)
    app.connect("autodoc-skip-member", site.skip_fields)
    app.connect("autodoc-process-docstring", site.as_rst)
