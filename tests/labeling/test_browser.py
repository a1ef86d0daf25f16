"""The labeling page in a real browser: Chromium, driven by Selenium."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from sksubtomo.io import make_particle_table, read_particles, write_mrc, write_particles

ROOT = Path(__file__).resolve().parents[2]
N = 450
BOX = 16
# An address of another page, which must not be let in.
FOREIGN = "data:text/html,<title>foreign</title>"

pytestmark = pytest.mark.slow


def chromium():
    """Return the paths of browser and driver, or skip with the reason."""
    pytest.importorskip("selenium", reason="selenium is not installed: pip install '.[test]'")
    for extra in ("starlette", "uvicorn"):
        pytest.importorskip(extra, reason=f"{extra} is not installed: pip install '.[label]'")
    paths = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in paths:
        pytest.skip("no chromium and chromedriver: apt-get install chromium chromium-driver")
    return paths


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A tomogram with 450 candidates, a third of which are dark shells, and the truth."""
    folder = tmp_path_factory.mktemp("project")
    rng = np.random.default_rng(0)
    centers = np.stack(
        [np.full(N, 12.0), *(16.0 * np.array(np.divmod(np.arange(N), 25)) + 12)], axis=1
    )
    truth = np.where(rng.random(N) < 0.35, 1, 2)
    tomogram = rng.normal(size=(25, 312, 416)).astype(np.float32)
    z, y, x = np.indices((11, 11, 11)) - 5
    radius = np.sqrt(z**2 + y**2 + x**2)
    shell = -1.6 * np.exp(-((radius - 3) ** 2))
    for (cz, cy, cx), kind in zip(centers.astype(int), truth, strict=True):
        place = tomogram[cz - 5 : cz + 6, cy - 5 : cy + 6, cx - 5 : cx + 6]
        place += shell if kind == 1 else -0.8 * np.exp(-(radius**2) / 4)
    write_mrc(folder / "TS_01.mrc", tomogram, 10.0)
    table = make_particle_table(centers, tomogram_names=["TS_01"] * N)
    write_particles(folder / "candidates.star", table)
    return folder, truth


class Server:
    """The command line, serving a session in a process of its own."""

    def __init__(self, project, session, port=0):
        self.session = session
        command = [
            *(sys.executable, "-c", "from sksubtomo.cli import main; raise SystemExit(main())"),
            *("label", "--particles", f"{project}/candidates.star", "--tomograms", str(project)),
            *("--box-size", str(BOX), "--output", str(session), "--port", str(port)),
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.log = open(f"{session}.log", "w+")  # noqa: SIM115
        self.process = subprocess.Popen(command, stderr=self.log, env=environment)
        end = time.monotonic() + 60
        while not (found := re.search(r"http://\S+/", Path(self.log.name).read_text())):
            assert time.monotonic() < end
            assert self.process.poll() is None, Path(self.log.name).read_text()
            time.sleep(0.1)
        self.url = found.group(0)

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        code = self.process.wait(20)
        self.log.close()
        return code

    def clicks(self):
        """Return the clicks in the journal, without what has no end."""
        lines = (self.session / "journal.jsonl").read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines]


@pytest.fixture
def server(project, tmp_path):
    chromium()
    server = Server(project[0], tmp_path / "session")
    yield server
    if server.process.poll() is None:
        server.end(signal.SIGKILL)


@pytest.fixture
def browser(tmp_path):
    from selenium import webdriver

    binary, driver = chromium()
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"),
        *("--window-size=1360,1000", f"--user-data-dir={tmp_path / 'profile'}"),
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    browser.set_script_timeout(30)
    yield browser
    browser.quit()


def wait_for(browser, condition, seconds=30):
    """Wait until an expression of the page is true, and return it."""
    end = time.monotonic() + seconds
    while not (value := browser.execute_script(f"return {condition}")):
        assert time.monotonic() < end, condition
        time.sleep(0.05)
    return value


def opened(browser, url):
    browser.get(url)
    wait_for(browser, "document.querySelectorAll('.tile').length")


def press(browser, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser, duration=0).send_keys(*keys).perform()


def text(browser, name):
    return browser.execute_script(f"return document.getElementById('{name}').textContent")


def selected_row(browser):
    return int(browser.execute_script(
        "return document.querySelector('.tile[aria-selected=true]').dataset.row"
    ))  # fmt: skip


def acknowledged(browser, n):
    """Wait until the page says so of as many labels."""
    wait_for(browser, "(document.body.dataset.waiting ?? '0') === '0'")
    wait_for(browser, f"document.getElementById('summary').textContent.startsWith('{n} of')")


def shown(browser, name):
    """Keep a screenshot where SKSUBTOMO_SCREENSHOTS says to."""
    folder = os.environ.get("SKSUBTOMO_SCREENSHOTS")
    if folder:
        time.sleep(1)
        browser.save_screenshot(f"{folder}/{name}.png")


def label_by_keys(browser, truth, n):
    for _ in range(n):
        press(browser, str(truth[selected_row(browser)]))


def errors_of_console(browser):
    return [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.mark.timeout(240)
def test_label_fit_and_export_by_keys_alone(server, browser, project):
    truth = project[1]
    started = time.monotonic()
    opened(browser, server.url)
    wait_for(browser, "document.getElementById('work').hidden", 60)
    press(browser, "n")
    wait_for(browser, "document.body.dataset.queues === '2'")
    assert text(browser, "status") == "48 candidates."
    label_by_keys(browser, truth, 48)
    acknowledged(browser, 48)
    press(browser, "n")
    wait_for(browser, "document.body.dataset.queues === '3'")
    label_by_keys(browser, truth, 2)
    acknowledged(browser, 50)
    assert time.monotonic() - started < 120
    assert {(one["row"], one["label"]) for one in server.clicks()} == {
        (one["row"], truth[one["row"]]) for one in server.clicks()
    }
    press(browser, "f")
    wait_for(browser, "document.getElementById('status').textContent.startsWith('The fit is done')")
    rows = browser.execute_script(
        "return [...document.querySelectorAll('.tile')].map(one => Number(one.dataset.row))"
    )
    assert len(rows) == 48
    assert not set(rows) & {one["row"] for one in server.clicks()}
    assert browser.execute_script("return document.querySelectorAll('.proba').length") == 48
    shown(browser, "labeling")
    press(browser, "e")
    wait_for(browser, "document.getElementById('status').textContent.startsWith('50 candidates')")
    table = read_particles(server.session / "labels.star")
    assert len(table) == 50
    assert set(table.class_numbers) == {1, 2}
    assert not errors_of_console(browser)
    assert server.end() == 0
    log = Path(server.log.name).read_text()
    assert "labels are saved" in log
    assert "ssh -N -L" in log
    assert "Traceback" not in log


@pytest.mark.timeout(240)
def test_reload_undo_and_kill_lose_no_click(server, browser, project):
    truth, url = project[1], server.url
    opened(browser, url)
    label_by_keys(browser, truth, 6)
    press(browser, "0")
    acknowledged(browser, 6)
    assert "1 not sure" in text(browser, "summary")
    press(browser, "u")
    wait_for(browser, "document.getElementById('summary').textContent.includes('0 not sure')")
    browser.refresh()
    wait_for(browser, "document.querySelectorAll('.tile').length")
    acknowledged(browser, 6)
    # The tab is the same person as before.
    press(browser, "u")
    wait_for(browser, "document.getElementById('summary').textContent.startsWith('5 of')")
    before = server.clicks()
    port = int(re.search(r":(\d+)/", url).group(1))
    assert server.end(signal.SIGKILL) == -signal.SIGKILL
    press(browser, "1")
    wait_for(
        browser, "document.getElementById('alert').textContent.includes('Not saved: candidate')"
    )
    shown(browser, "not_saved")
    again = Server(project[0], server.session, port)
    try:
        # The token is another one.
        browser.get(url)
        assert "token is wrong" in browser.find_element("tag name", "body").text
        opened(browser, again.url)
        acknowledged(browser, 5)
        assert again.clicks() == before
    finally:
        again.end()


@pytest.mark.timeout(240)
def test_a_second_tab(server, browser, project):
    truth = project[1]
    opened(browser, server.url)
    first = browser.current_window_handle
    row = selected_row(browser)
    browser.switch_to.new_window("tab")
    opened(browser, server.url)
    browser.switch_to.window(first)
    press(browser, "1")
    acknowledged(browser, 1)
    (second,) = set(browser.window_handles) - {first}
    browser.switch_to.window(second)
    acknowledged(browser, 1)
    # It has nothing of its own to take back.
    press(browser, "u")
    wait_for(browser, "document.getElementById('status').textContent.startsWith('There is noth')")
    browser.execute_script(
        "fetch('api/label', {method: 'POST', headers: {'Content-Type': 'application/json'},"
        f" body: JSON.stringify({{row: {row}, label: 2, user: 'other'}})}})"
    )
    wait_for(browser, "document.getElementById('counts').textContent.includes('no particle: 1')")
    browser.switch_to.window(first)
    wait_for(browser, "document.getElementById('counts').textContent.includes('no particle: 1')")
    assert browser.execute_script(
        f"return document.querySelector('.tile[data-row=\"{row}\"]').dataset.label"
    ) == "2"  # fmt: skip
    assert len(server.clicks()) == 2
    assert truth.size == N


FETCH = """
const done = arguments[arguments.length - 1];
fetch(arguments[0], {method: 'POST', mode: arguments[1], body: arguments[2],
                     headers: {'Content-Type': arguments[3]}})
  .then((answer) => done(String(answer.status) + answer.type), (error) => done('refused'));
"""


@pytest.mark.timeout(240)
def test_other_pages_cannot_click(server, browser):
    opened(browser, server.url)
    body = json.dumps({"row": 0, "label": 1, "user": "foreign"})
    browser.get(FOREIGN)
    for mode, kind in (
        ("cors", "application/json"),
        ("no-cors", "text/plain"),
        ("cors", "text/plain"),
    ):
        answer = browser.execute_async_script(FETCH, f"{server.url}api/label", mode, body, kind)
        assert answer in ("refused", "0opaque")
    assert not (server.session / "journal.jsonl").exists() or not server.clicks()
    for path in ("static/..%2f..%2fsession.json", "..%2f..%2fetc/passwd"):
        browser.get(server.url + path)
        assert "candidates" not in browser.page_source
        assert "root:" not in browser.page_source


@pytest.mark.timeout(240)
def test_keys_move_and_everything_can_be_reached(server, browser):
    from selenium.webdriver.common.keys import Keys

    opened(browser, server.url)
    rows = browser.execute_script(
        "return [...document.querySelectorAll('.tile')].map(one => Number(one.dataset.row))"
    )
    press(browser, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    assert selected_row(browser) == rows[1]
    press(browser, Keys.ARROW_DOWN, Keys.ARROW_UP)
    assert selected_row(browser) == rows[1]
    press(browser, "]", "]", "[")
    assert text(browser, "z-value") == "1"
    # By Tab from the grid to the last control, and the focus is always visible.
    reached = set()
    for _ in range(12):
        press(browser, Keys.TAB)
        name = browser.execute_script("return document.activeElement.id")
        style = "getComputedStyle(document.activeElement).outlineStyle"
        # After the last control, the browser's own come.
        assert not name or browser.execute_script(f"return {style}") != "none"
        reached.add(name)
    assert {"z", "low-pass", "contrast", "export-kind", "export"} <= reached
    # Digits in a control are not labels.
    browser.execute_script("document.getElementById('strategy').focus()")
    press(browser, "1", "2")
    assert text(browser, "summary").startswith("0 of")


@pytest.mark.timeout(240)
def test_audit_of_accessibility(server, browser):
    folder = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    script = resources.files(folder).joinpath("axe.min.js").read_text()
    opened(browser, server.url)
    press(browser, "1", "2", "0")
    acknowledged(browser, 2)
    # The policy of the page lets no script in but its own; the driver's are run outside of it.
    browser.execute_script(script)
    found = browser.execute_async_script(
        "const done = arguments[0]; axe.run().then((found) => done(found))"
    )
    serious = [
        (one["id"], one["impact"], [node["html"] for node in one["nodes"]])
        for one in found["violations"]
    ]
    assert not serious
    assert len(found["passes"]) > 15
