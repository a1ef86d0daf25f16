import re
import signal
import socket
import threading
import time

import numpy as np
import pytest

from sksubtomo.cli import main
from sksubtomo.io import make_napari_points, read_particles, write_particles
from sksubtomo.labeling import LabelingSession


@pytest.fixture
def served(monkeypatch):
    """Sessions that would have been served, and with which settings."""
    sessions = []

    def serve(session, **settings):
        sessions.append((session, settings))

    monkeypatch.setattr("sksubtomo.labeling.serve", serve)
    return sessions


def label(project, *more):
    return main(
        [
            *("label", "--particles", f"{project}/particles.star", "--quiet"),
            *("--tomograms", f"{project}/tomograms", "--box-size", "12"),
            *("--output", f"{project}/session", *map(str, more)),
        ]
    )


def test_a_session_is_served_and_goes_on(project, served):
    assert label(project, "--classes", "blob", "other") == 0
    (session, settings) = served[0]
    assert len(session) == 36
    assert session.class_names == ("blob", "other")
    assert session.voxel_size_angstrom == 10.0
    assert (settings["host"], settings["port"]) == ("127.0.0.1", 0)
    session.label(3, 1)
    assert label(project) == 0
    assert served[1][0].labels[3] == 1


def test_dry_run_writes_nothing(project, served):
    assert label(project, "--dry-run") == 0
    assert not served
    assert not (project / "session").exists()


@pytest.mark.parametrize("more", [["--port", "70000"], ["--port", "-1"]])
def test_wrong_ports(project, served, more, capsys):
    assert label(project, *more) == 1
    assert "--port" in capsys.readouterr().err
    assert not served


def test_points_of_napari_become_labels(project, served, capsys):
    particles = read_particles(project / "particles.star")
    inside = np.flatnonzero(particles.tomogram_names == "TS_1")[:4]
    one = particles.subset(particles.tomogram_names == "TS_1")
    write_particles(project / "particles.star", one, overwrite=True)
    (project / "tomograms/TS_2.mrc").unlink()
    points = make_napari_points(one.coordinates[inside] + 0.5, features={"class": [1, 2, 2, 1]})
    write_particles(project / "points.csv", points)
    assert label(project, "--labels", project / "points.csv") == 0
    assert served[0][0].labels[inside].tolist() == [1, 2, 2, 1]
    assert label(project, "--labels", project / "points.csv", "--label-tolerance", "0.1") == 1
    assert "raise --label-tolerance" in capsys.readouterr().err


def test_journals_of_others_are_merged(project, served, tmp_path):
    assert label(project) == 0
    session = served[0][0]
    other = LabelingSession(tmp_path / "other", session.particles, session.volumes, user="b")
    other.label(5, 2)
    assert label(project, "--merge", other.folder / "journal.jsonl") == 0
    assert served[1][0].labels[5] == 2
    assert label(project, "--merge", project / "nothing") == 1


def test_a_tomogram_that_is_missing_costs_its_candidates(project, served, capsys):
    (project / "tomograms/TS_2.mrc").unlink()
    assert label(project) == 3
    assert len(served[0][0]) == 18
    assert "TS_2 is left out" in capsys.readouterr().err


def test_labels_of_the_page_are_learned_from(project, served, fit_arguments):
    assert label(project) == 0
    session = served[0][0]
    truth = read_particles(project / "particles.star").class_numbers
    session.label_many(range(12), truth[:12])
    session.export()
    labels = ["--labels", f"{project}/session/labels.star"]
    assert main([*fit_arguments, *labels, "--dry-run"]) == 0


def test_ctrl_c_is_how_labeling_ends_and_sigterm_says_where_labels_are(
    project, monkeypatch, capsys
):
    def interrupted(session, **settings):
        signal.raise_signal(number)

    monkeypatch.setattr("sksubtomo.labeling.serve", interrupted)
    number = signal.SIGINT
    assert label(project) == 0
    number = signal.SIGTERM
    assert label(project) == 143
    assert f"labels are in {project}/session" in capsys.readouterr().err


def test_the_page_listens_on_this_machine_and_warns_of_others(project, capsys, monkeypatch):
    uvicorn = pytest.importorskip("uvicorn")
    pytest.importorskip("starlette")
    seen = {}

    def run(self, sockets):
        seen["address"] = sockets[0].getsockname()
        seen["proto"] = sockets[0].proto
        raise KeyboardInterrupt

    monkeypatch.setattr(uvicorn.Server, "run", run)
    assert label(project) == 0
    assert seen["address"][0] == "127.0.0.1"
    # Without it, asyncio leaves the delay of small packets on.
    assert seen["proto"] == socket.IPPROTO_TCP
    told = capsys.readouterr().err
    port = seen["address"][1]
    first = re.search(rf"http://127\.0\.0\.1:{port}/([\w-]{{32}})/", told).group(1)
    assert f"ssh -N -L {port}:127.0.0.1:{port}" in told
    assert "WARNING" not in told
    assert label(project, "--host", "0.0.0.0") == 0
    told = capsys.readouterr().err
    assert "WARNING: --host 0.0.0.0" in told
    assert first not in told
    assert label(project, "--host", "203.0.113.7") == 1


@pytest.mark.slow
def test_the_real_server_answers_and_ends(project):
    httpx2 = pytest.importorskip("httpx2")
    pytest.importorskip("uvicorn")
    from sksubtomo.labeling import serve

    particles = read_particles(project / "particles.star")
    files = {name: project / f"tomograms/{name}.mrc" for name in ("TS_1", "TS_2")}
    session = LabelingSession.from_tomograms(project / "session", particles, files, 12)
    lines = []
    thread = threading.Thread(target=serve, args=(session,), kwargs={"tell": lines.append})
    thread.daemon = True
    thread.start()
    end = time.monotonic() + 30
    while not lines:
        assert time.monotonic() < end
        time.sleep(0.05)
    url = re.search(r"http://\S+/", lines[0]).group(0)
    with httpx2.Client() as client:
        assert client.get(f"{url}api/state").json()["n_candidates"] == 36
        assert client.get(url.rsplit("/", 2)[0] + "/").status_code == 403
        content = {"row": 1, "label": 2, "user": "me"}
        assert client.post(f"{url}api/label", json=content).status_code == 200
    assert session.labels[1] == 2
