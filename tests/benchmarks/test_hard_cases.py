"""The benchmark of complications: what is simulated, resumed and rendered."""

from functools import partial

import numpy as np
import pytest

from sksubtomo.alignment import Annealing
from sksubtomo.datasets import make_subtomograms
from sksubtomo.fourier import missing_wedge_mask


@pytest.fixture
def hard(benchmark):
    return benchmark("hard_cases")


@pytest.fixture
def volumes(benchmark, shared_data, monkeypatch):
    monkeypatch.setenv("SKSUBTOMO_SHARED_DATA", str(shared_data))
    return benchmark("_hard_volumes")


def test_sets_for_settings_are_other_complexes(volumes):
    reported = {name for key in ("easy", "hard") for name in volumes.SETS[key].names}
    assert not reported & {"1qvr", "1u6g", "3cf3", "3d2f", "3j9i", "6utj"}
    for complexes in volumes.SETS.values():
        assert complexes.novel not in complexes.names


def test_sizes_of_classes(volumes):
    assert volumes.class_sizes(600, 8, 1).tolist() == [75] * 8
    sizes = volumes.class_sizes(600, 8, 20)
    assert sizes.sum() == 600
    assert sizes[0] / sizes[-1] == pytest.approx(20, rel=0.2)
    assert (np.diff(sizes) < 0).all()


def test_sizes_with_a_rare_class(volumes):
    sizes = volumes.class_sizes(600, 6, 1, 0.02)
    assert sizes.sum() == 600
    assert sizes[-1] == pytest.approx(12, abs=1)
    assert np.ptp(sizes[1:-1]) == 0


def make(volumes, complication, **sizes):
    sizes = {"n_train": 60, "n_test": 6, "labels": 0.5, "n_novel": 4, **sizes}
    return volumes.make_hard_volumes("hard", complication, 0, **sizes)


@pytest.mark.parametrize(
    "complication", ["none", "wrong_labels", "inverted_contrast", "tilt_axis_x", "hinge"]
)
def test_complications(volumes, complication):
    data = make(volumes, complication)
    assert data.X.shape == (60, 28, 28, 28)
    assert np.bincount(data.y).tolist() == [10] * 6
    known = data.y_given != -1
    wrong = (data.y_given != data.y)[known].mean()
    assert wrong == pytest.approx(0.1 if complication == "wrong_labels" else 0, abs=0.04)
    again = make(volumes, complication)
    np.testing.assert_array_equal(data.X, again.X)
    power = (np.abs(np.fft.rfftn(data.X, axes=(1, 2, 3))) ** 2).mean(axis=0)
    missing = ~missing_wedge_mask((28, 28, 28))
    filled = power[missing].mean() / power[~missing].mean()
    assert (filled > 0.5) == (complication == "tilt_axis_x")


def test_junk_has_no_label(volumes):
    data = make(volumes, "junk_60")
    assert (data.y == -1).sum() == 36
    assert (data.y_given[data.y == -1] == -1).all()
    assert (data.y_test >= 0).all()
    assert sorted(data.novel) == ["complex", "membrane", "noise"]


def test_smaller_voxels_have_as_much_noise_in_each_frequency(volumes):
    coarse, fine = (
        make(volumes, name, n_train=24, n_novel=40).novel["noise"] for name in ("none", "box_32")
    )
    assert fine.shape[1:] == (32, 32, 32)

    def power(X):
        transform = np.fft.fftn(X, axes=(1, 2, 3)) / X[0].size
        return (np.abs(transform) ** 2)[:, 0, 2:5, 2:5].mean()

    assert power(fine) == pytest.approx(power(coarse), rel=0.1)


def test_neighbors_stay_out_of_the_complex(benchmark, volumes):
    specimens = benchmark("_hard_specimens")
    density = specimens.load_map("5tqq", 2.0, 28)
    rng = np.random.default_rng(0)
    around = np.mean(
        [specimens.neighbors_of(density, [density], 28, rng) for _ in range(12)], axis=0
    )
    distance = np.linalg.norm(np.indices(around.shape).T - 14, axis=-1).T
    inner, outer = (around[within].mean() for within in (distance < 3, distance > 12))
    assert outer > 0
    assert inner < 0.1 * outer


def test_shifted_particles_have_to_fit_into_the_box(volumes):
    assert not volumes.is_possible("easy", "shifts_4")
    assert volumes.is_possible("hard", "shifts_4")


def small_volumes(volumes, name, complication, seed, *, n_train, n_test):
    X, y = make_subtomograms(
        n_train + n_test + 5,
        classes=2,
        box_size=16,
        voxel_size_angstrom=20.0,
        return_X_y=True,
        random_state=seed,
    )
    given = np.where(np.arange(n_train) < 8, y[:n_train], -1)
    y = np.where(np.arange(len(y)) == 10, -1, y)
    test = slice(n_train, n_train + n_test)
    novel = dict.fromkeys(("complex", "membrane", "noise"), X[-5:])
    return volumes.HardVolumes(X[:n_train], y[:n_train], given, X[test], y[test], novel)


def test_rows_are_resumed_and_rendered(hard, volumes, monkeypatch, tmp_path, capsys, rows_of):
    quick = {"annealing": Annealing(stages=[(3.0, 60.0, 1, 2), (4.0, 45.0, 1, 3)])}
    monkeypatch.setattr(hard, "make_hard_volumes", partial(small_volumes, volumes))
    method = hard.Method("Quick references", hard.with_params(**quick))
    every = hard.Method("Quick, every label", hard.with_params(**quick), every_label=True)
    monkeypatch.setattr(hard, "METHODS", {"references": method, "every_label": every})
    path = tmp_path / "rows.csv"
    arguments = ["--sets", "easy", "--complications", "none", "hinge", "shifts_4", "--seeds", "0"]
    arguments += ["--methods", "references", "every_label"]
    arguments += ["--n-train", "24", "--n-test", "12", "--results", str(path)]
    options = hard.parse_arguments(arguments)
    hard.run(options)
    assert len(capsys.readouterr().out.splitlines()) == 4
    rows = rows_of(options)
    assert [row["complication"] for row in rows] == ["none", "none", "hinge", "hinge"]
    assert [row["n_labels"] for row in rows] == ["8", "23"] * 2
    for row in rows:
        for name in ("balanced_accuracy", "test_accuracy", "calibration_error", "novelty_noise"):
            assert 0 <= float(row[name]) <= 1
    monkeypatch.setattr(hard, "run_one", lambda *_: pytest.fail("computed twice"))
    hard.run(options)
    text = hard.render(path)
    assert "| easy | hinge | Quick references | " in text
    assert path.with_suffix(".md").read_text() == text


def test_balanced_accuracy_counts_what_is_of_no_class(hard):
    y, found = np.array([0, 0, 0, 1]), np.array([0, 0, 99, 1])
    assert hard.balanced_accuracy(y, found) == pytest.approx((2 / 3 + 1) / 2)
