import csv

import numpy as np
import pytest


@pytest.fixture
def tables(benchmark):
    return benchmark("paper_tables")


@pytest.fixture
def options(tables, tmp_path):
    def parse(*more):
        paths = ("--results", str(tmp_path / "rows.csv"), "--data", str(tmp_path / "data"))
        return tables.parse_arguments(["--set", "tiny", "--device", "cpu", *paths, *more])

    return parse


ONE = ("--seeds", "0", "--fractions", "0.05")


def test_the_most_informative_rows_come_first(tables, options):
    found = list(tables.tasks(options()))
    assert found[:2] == [("joint", 0.05, "paper", 0), ("supervised", 0.05, "paper", 0)]
    assert len(set(found)) == len(found)
    # Three seeds, three fractions; five methods of the paper in both protocols, two new ones.
    assert len(found) == 3 * (3 * (2 * 5 + 2) + 1)
    assert not [t for t in found if t[0] in ("references", "augmented") and t[2] == "paper"]
    assert [t[3] for t in found if t[0] == "autoencoder"] == [0, 1, 2]


def test_rows_are_computed_once_and_rendered_beside_the_paper(tables, options, capsys, monkeypatch):
    chosen = options(*ONE, "--methods", "joint", "supervised", "autoencoder", "augmented")
    tables.run(chosen)
    with open(chosen.results, newline="") as file:
        rows = {(row["method"], row["protocol"]): row for row in csv.DictReader(file)}
    train = tables.load(chosen)[2]
    n_labels = round(0.05 * len(train))
    assert len(rows) == 2 + 2 + 1 + 1
    assert rows["joint", "honest"]["labels"] == str(n_labels)
    assert rows["joint", "paper"]["labels"] == str(n_labels + round(0.1 * len(train)))
    assert rows["autoencoder", "paper"]["labels"] == "0"
    assert rows["autoencoder", "paper"]["accuracy"] == ""
    for row in rows.values():
        assert (row["mse"] != "") == (row["method"] in ("joint", "autoencoder"))
        assert row["mse"] == "" or 0 <= int(row["live_units"]) <= 128

    monkeypatch.setattr(tables, "run_one", lambda *args: pytest.fail("a row is computed again"))
    capsys.readouterr()
    tables.run(chosen)
    assert capsys.readouterr().out.startswith("0 of 6 rows")
    text = tables.render(chosen.results)
    assert "| 0.782 |" in text  # of the paper
    assert f"{float(rows['joint', 'honest']['accuracy']):.3f}" in text
    tables.draw(chosen.results)
    assert chosen.results.with_suffix(".png").stat().st_size > 1000


@pytest.mark.slow
def test_every_method_gives_a_row(tables, options):
    chosen = options(*ONE)
    tables.run(chosen)
    rows = chosen.results.read_text().splitlines()
    assert len(rows) == 1 + len(list(tables.tasks(chosen)))


def test_no_fit_begins_that_would_end_too_late(tables, options, capsys, monkeypatch):
    """Each takes a second by the row it gives, the first ones are not known."""
    chosen = options(*ONE, "--methods", "supervised", "--minutes", "0.01")
    tables.load(chosen)

    def slow(options, *task):
        key = dict(zip(tables.KEY, tables.key_of(options, *task), strict=True))
        return {**key, "accuracy": 0.5, "fit_seconds": 100.0}

    monkeypatch.setattr(tables, "run_one", slow)
    tables.run(chosen)
    assert "1 rows left out" in capsys.readouterr().out


def test_interrupted_data_are_made_again(tables, options):
    chosen = options()
    X, y, train, test = tables.load(chosen)
    folder = chosen.data / "tiny"
    expected = np.array(X)
    (folder / "rows.npz").unlink()
    (folder / "volumes.npy").write_bytes(b"torn")
    again, *_ = tables.load(chosen)
    assert np.array_equal(again, expected)
    np.savez(folder / "rows.npz", y=y, train=train, test=test, made_by="an earlier version")
    tables.load(chosen)
    with np.load(folder / "rows.npz") as rows:
        assert str(rows["made_by"]) != "an earlier version"
    np.testing.assert_allclose(again.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    assert not set(train) & set(test)


def test_what_is_borne_out(benchmark):
    report = benchmark("_paper_report")
    rows = [
        {"method": method, "fraction": "0.05", "accuracy": str(accuracy), "mse": ""}
        for method, accuracy in [
            *(("supervised", 0.2), ("self_trained", 0.3), ("pre_trained", 0.3)),
            *(("m1_m2", 0.1), ("joint", 0.5)),
        ]
    ]
    accuracy, error = report.borne_out(rows, "real")
    assert accuracy.endswith("at 5% yes.")
    assert error.endswith("rows are missing.")
    rows[0]["accuracy"] = "0.9"
    assert report.borne_out(rows, "real")[0].endswith("at 5% **no**.")
    rows[-1]["mse"] = "0.9"
    rows.append({"method": "autoencoder", "fraction": "none", "accuracy": "", "mse": "0.95"})
    assert report.borne_out(rows, "real")[1].endswith("at 5% yes.")
