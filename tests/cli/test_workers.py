import sys
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest
import torch

from sksubtomo.cli import _workers, main
from sksubtomo.io import read_particles

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def fitted(project, fit_arguments):
    assert main(fit_arguments) == 0
    return project


def predict(project, output, *more):
    return main(
        [
            *("predict", "--model", f"{project}/model.sksubtomo", "--quiet"),
            *("--particles", f"{project}/particles.star", "--tomograms", f"{project}/tomograms"),
            *("--output", f"{project}/{output}", *more),
        ]
    )


def rows(path):
    """The lines of a table, without that of the date."""
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


@pytest.fixture
def serial(fitted):
    assert predict(fitted, "serial.star", "--j", "1") == 0
    return rows(fitted / "serial.star")


@pytest.mark.slow
def test_processes_write_the_same_table(fitted, serial):
    assert predict(fitted, "out.star", "--n-jobs", "2", "--j", "1") == 0
    assert rows(fitted / "out.star") == serial


@pytest.mark.slow
def test_a_cluster_writes_the_same_table(fitted, serial):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=":0", memory_limit=0
    ) as cluster:
        address = cluster.scheduler_address
        assert predict(fitted, "out.star", "--dask", address, "--dry-run") == 0
        assert not (fitted / "out.star").exists()
        assert predict(fitted, "out.star", "--dask", address, "--j", "1") == 0
    assert rows(fitted / "out.star") == serial


def test_a_cluster_that_is_not_there(fitted, capsys, monkeypatch):
    monkeypatch.setattr(_workers, "_SECONDS_TO_CONNECT", 0.3)
    assert predict(fitted, "out.star", "--dask", "tcp://127.0.0.1:9") == 1
    assert "--dask tcp://127.0.0.1:9: no scheduler answers there" in capsys.readouterr().err
    assert predict(fitted, "out.star", "--dask", "nonsense://x") == 1
    assert "--dask nonsense://x: " in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert predict(fitted, "out.star", "--dask", "tcp://127.0.0.1:9") == 1
    assert "sksubtomo[distributed]" in capsys.readouterr().err
    assert not (fitted / "out.star").exists()


@pytest.mark.slow
def test_a_cluster_without_workers(fitted, capsys, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(_workers, "_SECONDS_TO_CONNECT", 2)
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0") as cluster:
        address = cluster.scheduler_address
        assert predict(fitted, "out.star", "--dask", address) == 1
    assert f"Start some with `dask worker {address}`" in capsys.readouterr().err


def test_processes_or_a_cluster_but_not_both(fitted, capsys):
    with pytest.raises(SystemExit, match="2"):
        predict(fitted, "out.star", "--n-jobs", "2", "--dask", "tcp://127.0.0.1:9")
    assert "not allowed with" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        predict(fitted, "out.star", "--n-jobs", "0")


def test_workers_that_die_are_explained(fitted, capsys, monkeypatch):
    n_done = []

    def die(_estimator, stack):
        n_done.append(len(stack))
        if len(n_done) == 1:
            return np.full((len(stack), 2), 0.5)
        raise BrokenProcessPool("killed")

    monkeypatch.setattr("sksubtomo.parallel.parallel_predict", die)
    assert predict(fitted, "out.star", "--n-jobs", "2") == 1
    assert "lack of memory; take fewer of them. (killed)" in capsys.readouterr().err
    # It is not the second tomogram's fault, which is not left out.
    assert len(n_done) == 2
    assert not (fitted / "out.star").exists()


def test_a_prediction_in_parts_is_the_same(fitted, serial, monkeypatch):
    """Of whole batches to the bit; of these smaller ones, but for rounding."""
    from sksubtomo.cli import _found

    told = []
    monkeypatch.setattr(_found, "_ROWS_ALONE", 8)
    monkeypatch.setattr(_found.Progress, "update", lambda self, n_rows: told.append(n_rows))
    assert predict(fitted, "parts.star", "--j", "1") == 0
    one, other = (read_particles(fitted / f"{name}.star") for name in ("serial", "parts"))
    for number in (1, 2):
        column = f"sksubtomoProbability{number}"
        np.testing.assert_allclose(one.table[column], other.table[column], atol=1e-6)
    assert told == [0, 8, 8, 2] * 2


def test_threads_of_a_command_are_not_left_to_the_process(fitted, fit_arguments, monkeypatch):
    """Other fits of the same process would differ in their last bits by what ran before."""
    before, told, set_number = torch.get_num_threads(), [], torch.set_num_threads
    monkeypatch.setattr(
        torch, "set_num_threads", lambda number: (told.append(number), set_number(number))
    )
    with_report = ["--report", f"{fitted}/fit.html", "--j", "3"]
    reported = []
    monkeypatch.setattr(
        "sksubtomo.cli._fit.try_report", lambda *_: reported.append(torch.get_num_threads()) or 0
    )
    assert main([*fit_arguments, "--overwrite", *with_report]) == 0
    assert reported == [3]
    assert predict(fitted, "out.star", "--j", "3") == 0

    def fail(*arguments, **more):
        assert torch.get_num_threads() == 3
        raise ValueError("no")

    monkeypatch.setattr("sksubtomo.cli._fit._fitted", fail)
    assert main([*fit_arguments, "--overwrite", "--j", "3"]) == 1
    assert told == [3, before] * 3
