import json
import re
import threading
from importlib import resources

import numpy as np
import pytest

from sksubtomo.labeling import LabelingSession, make_app
from sksubtomo.labeling._guard import CONTENT_SECURITY_POLICY

pytest.importorskip("starlette")

TOKEN = "the-token"
JSON = {"content-type": "application/json"}


@pytest.fixture
def client(labeled):
    from starlette.testclient import TestClient

    with TestClient(make_app(labeled, TOKEN), base_url="http://127.0.0.1:8765") as client:
        yield client


def get(client, path, **values):
    return client.get(f"/{TOKEN}/{path}", **values)


def post(client, path, content, **values):
    return client.post(f"/{TOKEN}/api/{path}", json=content, **values)


def click(row=7, label=1, user="me"):
    return {"row": row, "label": label, "user": user}


def test_the_page_and_its_files(client):
    page = get(client, "")
    assert page.status_code == 200
    assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"
    linked = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(linked) == 3
    for name in [*linked, "static/api.js", "static/grid.js", "static/views.js"]:
        assert get(client, name).status_code == 200
    # Nothing from elsewhere, and nothing in line that the policy would block.
    assert "http" not in page.text
    assert not re.search(r"<style|<script>|\sstyle=|\son\w+=", page.text)


@pytest.mark.parametrize(
    "path",
    ["/", "/wrong/", "/the-toke/", "/the-token2/", "/api/state", "//the-token/", "/no/api/state"],
)  # fmt: skip
def test_without_the_token_everything_is_refused(client, path):
    assert client.get(path, follow_redirects=False).status_code == 403
    answer = client.post(path, json=click(), follow_redirects=False)
    assert answer.status_code == 403
    assert TOKEN not in answer.text


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "192.168.0.7:8765",
             "localhost.evil.example", "user@127.0.0.1", "", "[::1", "0.0.0.0"]
)  # fmt: skip
def test_other_hosts_are_refused(client, host):
    assert get(client, "", headers={"host": host}).status_code == 403
    assert get(client, "api/state", headers={"host": host}).status_code == 403
    assert post(client, "label", click(), headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:9999", "localhost:9999", "localhost", "[::1]:9999"])
def test_the_other_end_of_a_tunnel_is_let_in(client, host):
    assert get(client, "", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://evil.example:8765", "",
               "file://", "http://127.0.0.1:8765.evil.example"]
)  # fmt: skip
def test_other_origins_are_refused(client, labeled, origin):
    before = len(labeled.journal_clicks)
    assert post(client, "label", click(), headers={"origin": origin}).status_code == 403
    assert get(client, "api/state", headers={"origin": origin}).status_code == 403
    assert len(labeled.journal_clicks) == before
    own = {"origin": "http://127.0.0.1:8765"}
    assert post(client, "label", click(), headers=own).status_code == 200


def test_requests_of_forms_and_other_sites_are_refused(client, labeled):
    body = json.dumps(click())
    for headers, code in [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({}, 415),
        ({**JSON, "sec-fetch-site": "cross-site"}, 403),
        ({**JSON, "sec-fetch-site": "same-site"}, 403),
    ]:
        answer = client.post(f"/{TOKEN}/api/label", content=body, headers=headers)
        assert answer.status_code == code
    assert (
        client.post(f"/{TOKEN}/api/label", content=b" " * 20_000, headers=JSON).status_code == 413
    )
    assert client.get(f"/{TOKEN}/api/label").status_code == 405
    assert labeled.labels[7] != 1 or len(labeled.journal_clicks) == 20


@pytest.mark.parametrize(
    "path",
    [
        "static/../../../../etc/passwd",
        "static/%2e%2e/%2e%2e/pyproject.toml",
        "static/..%2f..%2fsession.json",
        "static//etc/passwd",
        "static/_app.py",
        "static/.",
        "session.json",
        "../the-token/static/../_app.py",
        "api/tile/..%2f..%2fjournal.jsonl.png",
        "api/slice/%2fetc%2fpasswd.png",
        "api/tile/1.0.png",
        "api/tile/-1.png",
    ],
)
def test_no_path_reaches_the_file_system(client, path):
    answer = client.request("GET", f"http://127.0.0.1:8765/{TOKEN}/{path}")
    assert answer.status_code in (403, 404)
    assert "root:" not in answer.text
    assert "import" not in answer.text


def test_without_a_slash_the_browser_is_sent_to_the_page(client):
    answer = client.get(f"/{TOKEN}", follow_redirects=False)
    assert answer.status_code == 307
    assert answer.headers["location"] == f"/{TOKEN}/"


def test_a_click_is_on_the_disk_when_it_is_acknowledged(client, labeled):
    answer = post(client, "label", click(7, 0))
    assert answer.status_code == 200
    assert answer.json()["n_unsure"] == 1
    last = json.loads((labeled.folder / "journal.jsonl").read_text().splitlines()[-1])
    assert (last["row"], last["label"], last["user"]) == (7, 0, "me")


@pytest.mark.parametrize(
    "content",
    [
        click(60), click(-1), click("7"), click(7.5), click(True), click(None), click([7]),
        click(7, 3), click(7, -2), click(7, "1"), click(7, 1, 5), click(7, 1, "x" * 200),
        click(7, 1, "a\nb"), {"row": 7, "label": 1}, {**click(), "path": "/etc"}, [], 5, "x",
        click(10**30), click(7, 10**30),
    ],
)  # fmt: skip
def test_wrong_clicks_are_refused(client, labeled, content):
    before = len(labeled.journal_clicks)
    answer = post(client, "label", content)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert len(labeled.journal_clicks) == before


@pytest.mark.parametrize("body", [b"{", b"[" * 9000, b"\xff", b"NaN"])
def test_bodies_that_are_no_json(client, body):
    answer = client.post(f"/{TOKEN}/api/label", content=body, headers=JSON)
    assert answer.status_code == 400


def test_a_full_disk_is_told_and_nothing_acknowledged(client, labeled, monkeypatch):
    def fail(descriptor):
        raise OSError(28, "No space left on device")

    before = len(labeled.journal_clicks)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fail)
        answer = post(client, "label", click())
    assert answer.status_code == 507
    assert "Not saved" in answer.json()["error"]
    assert len(labeled.journal_clicks) == before


def test_another_tab_is_told_what_has_changed(client):
    since = get(client, "api/state").json()["n_clicks"]
    post(client, "label", click(7, 1, "a"))
    post(client, "label", click(8, 2, "b"))
    state = get(client, "api/state", params={"since": since}).json()
    assert state["changed"] == {"7": 1, "8": 2}
    assert post(client, "undo", {"user": "a"}).json()["row"] == 7
    later = get(client, "api/state", params={"since": state["n_clicks"]}).json()
    assert list(later["changed"]) == ["7"]
    assert post(client, "undo", {"user": "nobody"}).json() == {"row": None, "label": None}


def test_queues(client, labeled):
    answer = get(client, "api/queue", params={"strategy": "informative", "n": 5}).json()
    assert answer["strategy"] == "random"
    assert "being read" in answer["told"]
    labeled.prepare()
    assert get(client, "api/queue", params={"strategy": "uncertain", "n": 5}).status_code == 400
    labeled.fit()
    for strategy in ("informative", "uncertain", "disagreement", "random"):
        answer = get(client, "api/queue", params={"strategy": strategy, "n": 5, "tomogram": 1})
        assert answer.json()["strategy"] == strategy
        items = answer.json()["items"]
        assert len(items) == 5
        assert all(item["label"] == -1 for item in items)
        assert {labeled.tomogram_names[item["row"]] for item in items} == {"TS_2"}
    doubtful = get(client, "api/queue", params={"strategy": "doubtful", "n": 50}).json()
    assert all(item["label"] > 0 for item in doubtful["items"])
    for wrong in (
        {"strategy": "x"},
        {"strategy": "random", "n": 0},
        {"strategy": "random", "n": "9" * 30},
        {"strategy": "random", "n": "²"},
        {"strategy": "random", "n": 5, "tomogram": 2},
    ):
        assert get(client, "api/queue", params=wrong).status_code == 400


def test_images(client, volumes):
    tile = get(client, "api/tile/7.png", params={"low_pass": 3})
    assert tile.headers["content-type"] == "image/png"
    assert "immutable" in tile.headers["cache-control"]
    assert tile.content == get(client, "api/tile/7.png", params={"low_pass": 3}).content
    content = get(client, "api/volume/7").content
    voxels = np.frombuffer(content, "<u2").reshape(volumes[7].shape)
    assert np.corrcoef(voxels.ravel(), volumes[7].ravel())[0, 1] > 0.999
    assert get(client, "api/tile/7.png", params={"low_pass": 17}).status_code == 400
    assert get(client, "api/tile/60.png").status_code == 400
    # Boxes of an array are in no tomogram.
    assert get(client, "api/slice/7.png").status_code == 400
    assert get(client, "api/candidate/7").json()["tomogram_shape"] is None


def test_the_place_in_the_tomogram(tmp_path, particles, tomograms):
    from starlette.testclient import TestClient

    session = LabelingSession.from_tomograms(tmp_path / "s", particles, tomograms, 10)
    with TestClient(make_app(session, TOKEN), base_url="http://127.0.0.1") as client:
        where = get(client, "api/candidate/31").json()
        assert where["tomogram"] == "TS_2"
        assert where["tomogram_shape"] == [17, 80, 128]
        assert where["center"] == particles.coordinates[31].tolist()
        assert get(client, "api/slice/31.png").content.startswith(b"\x89PNG")


def test_fit_in_the_background_then_the_next_queue(client, labeled):
    assert post(client, "fit", {}).status_code == 200
    labeled.wait()
    state = get(client, "api/state").json()
    assert state["work"]["state"] == "done"
    assert state["has_model"]
    assert post(client, "fit", {"model": "/etc"}).status_code == 400


def test_exports(client, labeled):
    for kind in ("star", "napari", "copick"):
        answer = post(client, "export", {"kind": kind}).json()
        assert "20 candidates written" in answer["told"]
    assert post(client, "export", {"kind": "predictions"}).status_code == 400
    assert post(client, "export", {"kind": "../x"}).status_code == 400
    assert (labeled.folder / "labels.star").exists()


def test_the_table_of_labels_follows_the_journal(labeled):
    from starlette.testclient import TestClient

    with TestClient(make_app(labeled, TOKEN), base_url="http://127.0.0.1") as client:
        post(client, "label", click(7, 1))
        wanted = int((labeled.labels > 0).sum())
    assert (labeled.folder / "labels.star").read_text().count("TS_") == wanted
    for _ in range(len(labeled)):
        labeled.undo()
    labeled.undo(user="me")
    with TestClient(make_app(labeled, TOKEN), base_url="http://127.0.0.1"):
        pass
    assert not (labeled.folder / "labels.star").exists()


def test_clicks_of_many_threads(client, labeled):
    def work(user):
        for row in range(20, 40):
            assert post(client, "label", click(row, 1 + row % 2, user)).status_code == 200

    threads = [threading.Thread(target=work, args=(f"user{k}",)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(labeled.journal_clicks) == 100
    assert (labeled.labels[20:40] > 0).all()


def test_names_of_tomograms_are_data(tmp_path, volumes):
    from starlette.testclient import TestClient

    from sksubtomo.io import make_particle_table

    name = "<script>alert(1)</script>"
    table = make_particle_table(np.zeros((60, 3)), tomogram_names=[name] * 60)
    session = LabelingSession(tmp_path / "s", table, volumes, class_names=["<b>", "b"])
    with TestClient(make_app(session, TOKEN), base_url="http://127.0.0.1") as client:
        state = get(client, "api/state")
        assert state.headers["content-type"] == "application/json"
        assert state.json()["tomograms"] == [name]


def test_the_page_sets_text_and_never_markup():
    folder = resources.files("sksubtomo.labeling").joinpath("static")
    scripts = [one.read_text() for one in folder.iterdir() if one.name.endswith(".js")]
    assert len(scripts) == 4
    for script in scripts:
        assert not re.search(r"(inner|outer)HTML|insertAdjacent|document\.write|eval\(", script)
