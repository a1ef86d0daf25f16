"""Links from the HTML representation of estimators to their documentation."""

from __future__ import annotations

from sksubtomo._version import __version__

#: Root of the hosted documentation, without a slash at its end.
DOCUMENTATION_URL = "https://sksubtomo.github.io/sksubtomo"


def documented_version(version: str) -> str:
    """Return the version of the documentation, such as "0.2", or "dev" of a development version."""
    return "dev" if "dev" in version else ".".join(version.split(".")[:2])


class DocLinkMixin:
    """Mixin of all estimators, to the left of scikit-learn's ``BaseEstimator``.

    The template of a link is ``{DOCUMENTATION_URL}/{version}/api/{module}.{class}.html``, see
    :func:`documented_version`.
    """

    _doc_link_module = "sksubtomo"

    @property
    def _doc_link_template(self) -> str:
        if not DOCUMENTATION_URL:
            return ""
        page = "api/{estimator_module}.{estimator_name}.html"
        return f"{DOCUMENTATION_URL}/{documented_version(__version__)}/{page}"
