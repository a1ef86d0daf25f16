import webbrowser

import pytest

from sksubtomo.reports import HTMLReport, make_report


@pytest.fixture
def page():
    return HTMLReport("<!DOCTYPE html><title>Å</title>", title="a page")


def test_a_page_is_written_whole_and_replaces_on_demand_only(page, tmp_path):
    page.save_as_html(tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text("utf-8") == str(page)
    with pytest.raises(FileExistsError, match="a.html exists"):
        page.save_as_html(tmp_path / "a.html")
    page.save_as_html(tmp_path / "a.html", overwrite=True)
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        page.save_as_html(tmp_path / "none" / "a.html")
    assert [one.name for one in tmp_path.iterdir()] == ["a.html"]


def test_opens_in_the_browser(page, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert page.open_in_browser(tmp_path / "a b.html") == tmp_path / "a b.html"
    path = page.open_in_browser()
    assert opened == [(tmp_path / "a b.html").as_uri(), path.as_uri()]
    assert path.read_text("utf-8") == str(page)
    path.unlink()
    path.parent.rmdir()


def test_notebooks_get_the_page_in_a_frame_of_its_own(page):
    shown = page._repr_html_()
    assert 'title="a page"' in shown
    assert "&lt;!DOCTYPE html&gt;&lt;title&gt;Å&lt;/title&gt;" in shown


@pytest.mark.parametrize(("package", "name"), [("jinja2", "Jinja2"), ("matplotlib", "matplotlib")])
def test_a_missing_package_is_named(sorter, graded, monkeypatch, package, name):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda one, *more: None if one == package else find(one, *more)
    )
    with pytest.raises(ImportError, match=rf"package {name}: pip install 'sksubtomo\[report\]'"):
        make_report(sorter, graded)
