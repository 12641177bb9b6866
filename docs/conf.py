"""How Sphinx builds the book: docs/book.py assembles the sources and calls it. Nothing comes from another host."""

project = "servelab"
author = "the servelab project"
language = "en"
root_doc = "docs/index"

extensions = ["myst_nb"]
nb_execution_mode = "off"  # lessons come executed
nb_merge_streams = True
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # else two scripts of a CDN
myst_heading_anchors = 6
suppress_warnings = ["misc.highlighting_failure"]  # colours alone: IPython's lexer knows no continued line of shell

html_theme = "furo"
html_title = "How should I serve this model?"
html_static_path = ["static"]
html_css_files = ["book.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_search_summary = False  # it is fetched, which a page opened from a file may not do
html_use_index = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "default"
pygments_dark_style = "monokai"
