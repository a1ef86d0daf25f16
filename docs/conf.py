"""Configuration of the documentation; ``make docs`` builds it into ``docs/_build/html``."""

import os
import sys
import warnings
from datetime import date
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS / "_ext"))
sys.path.insert(0, str(DOCS.parent))

from inventories import write_inventories
from result_pages import write_result_pages

import sksubtomo
from sksubtomo._utils._doc_link import DOCUMENTATION_URL, documented_version

project = "sksubtomo"
author = "The sksubtomo developers"
project_copyright = f"2025-{date.today().year}, {author}"
release = sksubtomo.__version__
version = documented_version(release)

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "results",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_ext", "_templates", "examples", "inventories", "README.md"]
root_doc = "index"
# Pages are named by the full name, whatever the module that the list is in.
suppress_warnings = ["config.cache", "autosummary.import_cycle"]

# Every reference has to resolve; `make docs` turns warnings into errors. Types in docstrings are
# prose ("array-like of shape (n_samples,)") and no references.
nitpicky = True
default_role = "literal"
numpydoc_xref_param_type = False
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

autosummary_generate = True
autodoc_typehints = "none"
autodoc_default_options = {"members": True}
add_module_names = False
toc_object_entries_show_parents = "hide"
myst_heading_anchors = 3

write_result_pages(DOCS.parent / "benchmarks/results", DOCS / "results")

# Builds have no network: the inventories are in the repository.
intersphinx_mapping = write_inventories(DOCS / "inventories", DOCS / "_build" / "inventories")
intersphinx_timeout = 1

# Memory of the example galleries: one thread, since `make docs` may share the processor.
os.environ.setdefault("OMP_NUM_THREADS", "1")
warnings.filterwarnings("ignore", message=".*Agg.*non-interactive", category=UserWarning)

sphinx_gallery_conf = {
    "examples_dirs": ["examples"],
    "gallery_dirs": ["auto_examples"],
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"^(_|label_)",
    "within_subsection_order": "gallery_order.by_goal",
    "backreferences_dir": "auto_examples/backreferences",
    "doc_module": ("sksubtomo",),
    "reference_url": {"sksubtomo": None},
    "image_scrapers": ("matplotlib",),
    "matplotlib_animations": False,
    "capture_repr": ("_repr_html_",),
    "plot_gallery": "True",
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1,
    "first_notebook_cell": "%matplotlib inline",
    "inspect_global_variables": False,
    "copyfile_regex": r".*\.rst",
}

html_theme = "pydata_sphinx_theme"
html_title = "sksubtomo"
html_baseurl = f"{DOCUMENTATION_URL}/{version}/"
html_static_path = ["_static"]
html_css_files = ["sksubtomo.css"]
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "sksubtomo"},
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "navbar_end": ["version-switcher", "theme-switcher"],
    "switcher": {
        # Of the hosted site, so that old versions list new ones; the file is deployed at its root.
        "json_url": f"{DOCUMENTATION_URL}/switcher.json",
        "version_match": version,
    },
    "check_switcher": False,
    "show_prev_next": False,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "404": [], "glossary": [], "install": [], "trust": []}
html_context = {"default_mode": "auto"}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

#: Methods by which estimators tell their base what to train; the developers' pages describe them.
HOOKS = {"network_inputs", "plan", "prepare", "record", "resolve_settings", "start_from"}
HOOKS |= {"trains_decoder", "uses", "is_semi_supervised"}
ESTIMATORS = ("base", "decomposition", "neural_network", "semi_supervised")


def skip_hooks(app, what, name, obj, skip, options):
    """Leave hooks, and scikit-learn's request setters, out of the pages of estimators."""
    package = (getattr(obj, "__module__", "") or "").removeprefix("sksubtomo.").split(".")[0]
    is_hook = name in HOOKS and (package in ESTIMATORS or not callable(obj))
    return True if is_hook or (name.startswith("set_") and name.endswith("_request")) else None


def setup(app):
    """Connect what this file defines."""
    app.connect("autodoc-skip-member", skip_hooks)
