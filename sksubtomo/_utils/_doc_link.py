"""Links from the HTML representation of estimators to their documentation."""

from __future__ import annotations

from sksubtomo._version import __version__

#: Root of the hosted documentation, without a slash at its end. There is no site yet, and
#: estimators have no link; setting it here is all there is to do for all of them.
DOCUMENTATION_URL = ""


class DocLinkMixin:
    """Mixin of all estimators, to the left of scikit-learn's ``BaseEstimator``.

    The template of a link is ``{DOCUMENTATION_URL}/{version}/api/{module}.{class}.html``, where
    the version is that of the documentation, such as "0.2", or "dev" of a development version.
    """

    _doc_link_module = "sksubtomo"

    @property
    def _doc_link_template(self) -> str:
        if not DOCUMENTATION_URL:
            return ""
        version = "dev" if "dev" in __version__ else ".".join(__version__.split(".")[:2])
        return f"{DOCUMENTATION_URL}/{version}/api/{{estimator_module}}.{{estimator_name}}.html"
