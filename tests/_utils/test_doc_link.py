import re

import pytest
from sklearn.base import BaseEstimator
from sklearn.utils import estimator_html_repr

from sksubtomo._utils import _doc_link
from sksubtomo._utils._doc_link import DocLinkMixin


def in_package(name):
    """An estimator that claims to be of a package."""
    return type("Some", (DocLinkMixin, BaseEstimator), {"__module__": name})()


def test_no_site_no_link(monkeypatch):
    monkeypatch.setattr(_doc_link, "DOCUMENTATION_URL", "")
    assert in_package("sksubtomo.semi_supervised._some")._get_doc_link() == ""
    assert "href=" not in estimator_html_repr(in_package("sksubtomo.base"))


@pytest.mark.parametrize(
    ("version", "page"),
    [("0.2.0", "0.2"), ("1.10.3", "1.10"), ("0.2.1.dev0", "dev")],
)
def test_link_is_of_the_version(monkeypatch, version, page):
    monkeypatch.setattr(_doc_link, "DOCUMENTATION_URL", "https://docs.example")
    monkeypatch.setattr(_doc_link, "__version__", version)
    expected = f"https://docs.example/{page}/api/sksubtomo.semi_supervised.Some.html"
    estimator = in_package("sksubtomo.semi_supervised._some")
    assert estimator._get_doc_link() == expected
    assert re.findall('href="([^"#]*)"', estimator_html_repr(estimator)) == [expected]
    # A class that somebody derives elsewhere has no page here.
    assert in_package("mylab.networks")._get_doc_link() == ""
