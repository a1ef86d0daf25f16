"""Reports in a real browser: Chromium, driven by Selenium."""

import shutil
from importlib import resources

import numpy as np
import pytest

from sksubtomo.reports import make_report

pytestmark = pytest.mark.slow


@pytest.fixture
def browser(tmp_path):
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install '.[test]'")
    paths = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in paths:
        pytest.skip("no chromium and chromedriver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"),
        *("--window-size=1200,1000", f"--user-data-dir={tmp_path / 'profile'}"),
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(paths[1]))
    browser.set_script_timeout(60)
    yield browser
    browser.quit()


@pytest.fixture
def page(browser, sorter, graded, labels, tmp_path):
    """A report, opened; tomograms and classes have names that would run as scripts."""
    names = np.repeat([f"TS_{n}<script>alert(1)</script>" for n in (10, 9, 2)], [5, 10, 15])
    report = make_report(
        *(sorter, graded, labels),
        tomogram_names=names,
        coordinates=np.random.default_rng(0).uniform(2, 8, size=(30, 3)),
        tomograms={names[0]: np.random.default_rng(0).normal(size=(10, 10, 10))},
        class_names={"a": "<img src=x onerror=alert(2)>", "b": "b"},
    )
    report.save_as_html(tmp_path / "report.html")
    browser.get((tmp_path / "report.html").as_uri())
    return browser


def first_cells(page):
    return page.execute_script(
        "return [...document.querySelectorAll('#data table.sortable tbody tr')]"
        ".map((row) => row.cells[0].textContent.split('<')[0])"
    )


def test_nothing_runs_or_is_loaded_that_is_not_of_the_page(page):
    # An open alert would be an exception here.
    assert "TS_10<script>alert(1)</script>" in page.find_element("tag name", "body").text
    assert not page.execute_script(
        "return performance.getEntriesByType('resource').map((one) => one.name)"
        ".filter((name) => !name.startsWith('data:'))"
    )
    assert page.execute_script(
        "return [...document.images].every((one) => one.complete && one.naturalWidth > 100)"
    )
    # What the policy of the page refuses would be told here.
    assert [entry["message"] for entry in page.get_log("browser")] == []


def test_tables_are_sorted_by_keyboard(page):
    from selenium.webdriver.common.keys import Keys

    assert first_cells(page) == ["TS_10", "TS_2", "TS_9"]
    heads = page.find_elements("css selector", "#data table.sortable th")
    button = heads[0].find_element("tag name", "button")
    button.send_keys(Keys.ENTER)
    assert first_cells(page) == ["TS_2", "TS_9", "TS_10"]
    assert heads[0].get_attribute("aria-sort") == "ascending"
    button.send_keys(Keys.SPACE)
    assert first_cells(page) == ["TS_10", "TS_9", "TS_2"]
    heads[1].find_element("tag name", "button").send_keys(Keys.ENTER)
    assert first_cells(page) == ["TS_10", "TS_9", "TS_2"]
    assert [head.get_attribute("aria-sort") for head in heads[:2]] == ["none", "ascending"]


def test_an_audit_of_accessibility_finds_nothing_serious(page):
    folder = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    # The policy lets no other script in by an element; the driver is not bound by it.
    page.execute_script(resources.files(folder).joinpath("axe.min.js").read_text())
    found = page.execute_async_script(
        "const done = arguments[0]; axe.run().then((found) => done(found))"
    )
    serious = [
        (one["id"], [node["html"][:120] for node in one["nodes"]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
