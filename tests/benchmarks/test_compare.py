import os
import signal

import numpy as np
import pytest

QUICK = [
    *("--box-size", "8", "--n-train", "40", "--n-test", "20", "--max-epochs", "1"),
    *("--classes", "apoferritin", "beta_galactosidase", "--fractions", "0.2", "--seeds", "0"),
]


@pytest.fixture
def compare(benchmark):
    return benchmark("compare")


@pytest.fixture
def options(compare, tmp_path):
    def parse(*more):
        path = str(tmp_path / "results.csv")
        return compare.parse_arguments([*QUICK, "--results", path, *more])

    return parse


def test_every_method_gives_a_row(compare, options, rows_of):
    chosen = options("--methods", *compare.METHODS)
    compare.run(chosen)
    rows = rows_of(chosen)
    assert [row["method"] for row in rows] == list(compare.METHODS)
    for row in rows:
        assert 0 <= float(row["accuracy"]) <= 1
        assert row["labels"] == "8"
        assert row["torch"]
    reconstructing = {row["method"] for row in rows if row["mse"]}
    assert reconstructing == {"m1", "joint", "autoencoder_svc"}


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_an_interrupt_ends_it_and_stores_no_torn_row(
    compare, options, monkeypatch, capsys, rows_of, name, code
):
    """In the middle of the second of three fits, of which none but the first is stored."""
    from sksubtomo.training import JointLoss

    chosen = options("--methods", "supervised", "--seeds", "0", "1", "2", "--max-epochs", "2")
    monkeypatch.setattr(compare, "parse_arguments", lambda: chosen)
    forward, seeds = JointLoss.forward, []
    run_one = compare.run_one

    def counted(*args):
        seeds.append(args[-1])
        return run_one(*args)

    def interrupted(self, *args):
        if len(seeds) == 2:
            os.kill(os.getpid(), getattr(signal, name))
        return forward(self, *args)

    monkeypatch.setattr(compare, "run_one", counted)
    monkeypatch.setattr(JointLoss, "forward", interrupted)
    with pytest.raises(SystemExit) as stop:
        compare.main()
    assert stop.value.code == code
    assert seeds == [0, 1]
    assert [row["seed"] for row in rows_of(chosen)] == ["0"]
    assert "run again to go on" in capsys.readouterr().err
    assert sorted(path.name for path in chosen.results.parent.iterdir()) == ["results.csv"]


def test_rows_are_appended_all_or_none(compare, tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    compare.append_rows(path, [{"a": 1, "b": "x, y"}, {"a": 2, "b": ""}])

    class Interrupting:
        def __str__(self):
            raise KeyboardInterrupt

    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        compare.append_rows(path, [{"a": 3, "b": "z"}, {"a": Interrupting(), "b": ""}])
    assert path.read_bytes() == before
    assert compare.read_rows(path) == [{"a": "1", "b": "x, y"}, {"a": "2", "b": ""}]


def test_killed_run_goes_on_where_it_stopped(compare, options, capsys, rows_of):
    chosen = options("--methods", "supervised", "pca_label_spreading", "--seeds", "0", "1")
    compare.run(chosen)
    whole = rows_of(chosen)
    text = chosen.results.read_text()
    lines = text.splitlines(keepends=True)
    chosen.results.write_text("".join(lines[:2]) + lines[2][:30])  # killed while writing
    compare.run(chosen)
    assert "3 of 4 rows" in capsys.readouterr().out
    figures = ("method", "seed", "accuracy", "labels")
    assert sorted(tuple(row[name] for name in figures) for row in rows_of(chosen)) == sorted(
        tuple(row[name] for name in figures) for row in whole
    )
    compare.run(chosen)
    assert "0 of 4 rows" in capsys.readouterr().out
    assert len(rows_of(chosen)) == 4


def test_two_jobs_give_the_same_rows(compare, options, tmp_path, rows_of):
    methods = ("--methods", "supervised", "self_trained", "--seeds", "0", "1")
    one = options(*methods)
    two = options(*methods, "--jobs", "2", "--results", str(tmp_path / "two.csv"))
    compare.run(one)
    compare.run(two)
    figures = ("method", "seed", "accuracy", "f1_macro")
    assert sorted(tuple(row[name] for name in figures) for row in rows_of(one)) == sorted(
        tuple(row[name] for name in figures) for row in rows_of(two)
    )


def test_protocol_of_the_paper_counts_its_validation_labels(compare, options, capsys, rows_of):
    methods = ("--methods", "supervised", "m1", "--protocols", "honest", "paper", "fixed")
    chosen = options(*methods)
    compare.run(chosen)
    labels = {(row["method"], row["protocol"]): int(row["labels"]) for row in rows_of(chosen)}
    assert labels == {
        ("supervised", "honest"): 8,
        ("m1", "honest"): 8,
        ("supervised", "paper"): 12,
        ("supervised", "fixed"): 8,
        ("m1", "fixed"): 8,
    }
    assert "left out of the protocol 'paper'" in capsys.readouterr().out


def test_tables_and_figure(compare, options, rows_of):
    chosen = options("--methods", "joint", "supervised", "--seeds", "0", "1")
    compare.run(chosen)
    text = compare.render(chosen.results)
    accuracies = [float(row["accuracy"]) for row in rows_of(chosen) if row["method"] == "joint"]
    cell = f"{np.mean(accuracies):.3f} ± {np.std(accuracies, ddof=1):.3f}"
    assert f"| Autoencoding classifier | {cell} |" in text
    compare.draw(chosen.results)
    assert chosen.results.with_suffix(".png").stat().st_size > 1000
    assert chosen.results.with_suffix(".md").read_text() == text


def test_volumes_from_a_file(compare, options, tmp_path, rows_of):
    rng = np.random.default_rng(0)
    y = np.where(np.arange(60) < 20, -1, np.arange(60) % 2)
    np.savez(tmp_path / "own.npz", X=rng.normal(size=(60, 8, 8, 8)), y=y)
    chosen = options("--data", str(tmp_path / "own.npz"), "--methods", "supervised")
    chosen.n_train, chosen.protocols = None, ["honest", "paper"]
    _, y_train, _, y_test = compare.load(chosen, 0)
    assert (len(y_train), len(y_test)) == (40, 20)
    assert ((y_train == -1).sum(), (y_test == -1).sum()) == (20, 0)
    compare.run(chosen)
    rows = rows_of(chosen)
    assert [(row["data"], row["labels"]) for row in rows] == [("own", "8"), ("own", "12")]


@pytest.mark.parametrize(
    ("arrays", "more", "message"),
    [
        ({"X": np.zeros((9, 8, 8, 8))}, (), "has no array y"),
        ({"X": np.eye(9).reshape(9, 1, 3, 3), "y": np.arange(9) % 2}, (), "leaves none of 9"),
    ],
)
def test_unfit_files_are_refused(compare, options, tmp_path, arrays, more, message):
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(SystemExit, match=message):
        compare.load(options("--data", str(tmp_path / "own.npz"), *more), 0)


def test_tomograms_and_particles(compare, options, tmp_path, rows_of):
    from sksubtomo.io import write_mrc

    rng = np.random.default_rng(0)
    lines = ["", "data_particles", "", "loop_"]
    columns = ("TomoName", "CoordinateX", "CoordinateY", "CoordinateZ", "ClassNumber")
    lines += [f"_rln{name}" for name in columns]
    for name in ("A", "B"):
        tomogram = rng.normal(size=(16, 40, 40)).astype(np.float32)
        write_mrc(tmp_path / f"{name}.mrc", tomogram, voxel_size_angstrom=10.0)
        for i in range(30):
            x, y = rng.integers(8, 32, size=2)
            lines.append(f"{name} {x} {y} 8 {i % 2 + 1}")
    (tmp_path / "particles.star").write_text("\n".join(lines) + "\n")
    tomograms = [str(tmp_path / f"{name}.mrc") for name in ("A", "B")]
    particles = ("--particles", str(tmp_path / "particles.star"), "--tomograms", *tomograms)
    chosen = options(*particles, "--methods", "supervised", "--n-train", "30")
    X, _, X_test, _ = compare.load(chosen, 0)
    assert X.shape == X_test.shape == (30, 8, 8, 8)
    compare.run(chosen)
    assert rows_of(chosen)[0]["data"] == "particles, boxes of 8"


def test_rows_of_other_columns_are_refused(compare, options):
    chosen = options("--methods", "pca_label_spreading")
    chosen.results.write_text("a,b\n1,2\n")
    with pytest.raises(SystemExit, match="no table of this script"):
        compare.run(chosen)
    assert chosen.results.read_text() == "a,b\n1,2\n"
