import json

import numpy as np
import pytest

from sksubtomo.io import make_particle_table, write_particles


@pytest.fixture
def script(benchmark):
    return benchmark("command_line")


@pytest.fixture
def specimen(script):
    """Places of eight particles of each complex in a grid, and which is which."""
    z, y, x = np.meshgrid([16, 48], range(20, 320, 40), [80, 240], indexing="ij")
    places = np.stack([z.ravel(), y.ravel(), x.ravel()], axis=1).astype(float)
    return places, np.arange(32) % len(script.COMPLEXES)


def test_candidates_are_particles_a_little_off(script, specimen):
    places, complexes = specimen
    found, classes = script.candidates_of("species", places, complexes, np.random.default_rng(0))
    assert np.array_equal(classes, complexes + 1)
    assert 0 < np.abs(found - places).max() < 5 * script.OFF


def test_a_quarter_of_candidates_to_clean_are_particles(script, specimen):
    places, complexes = specimen
    found, classes = script.candidates_of("cleaning", places, complexes, np.random.default_rng(0))
    assert np.bincount(classes).tolist() == [0, 8, 24]
    distances = np.linalg.norm(found[:, np.newaxis] - places, axis=2)
    nearest = complexes[distances.argmin(axis=1)]
    is_target = nearest == script.COMPLEXES.index(script.TARGET)
    assert is_target[classes == 1].all()
    near = distances.min(axis=1) < 5 * script.OFF
    # Half of the others are other complexes, half of them are nothing.
    assert near.tolist() == [True] * 20 + [False] * 12
    assert not is_target[8:20].any()


def test_labels(script):
    classes = np.repeat([1, 2], [25, 75])
    few = script.choose_labels("few", classes, 0)
    assert [(few == number).sum() for number in (-1, 1, 2)] == [96, 2, 2]
    some = script.choose_labels("random", classes, 0)
    assert (some > 0).sum() == 50
    assert np.array_equal(some[some > 0], classes[some > 0])


@pytest.mark.parametrize(
    ("task", "expected"), [("cleaning", (0.5, 0.25)), ("species", (0.75, 0.375))]
)
def test_scores_of_what_evaluate_writes(script, tmp_path, task, expected):
    places = 30.0 * np.arange(1, 7)[:, np.newaxis] * np.ones(3)
    truth = make_particle_table(places, tomogram_names=["TS_1"] * 6)
    rows = [0, 4, 5]
    write_particles(tmp_path / "truth.star", truth, class_numbers=np.array([1, 1, 1, 1, 2, 2]))
    # Of class 1, one is right and three are not found; of class 2, one is a one.
    write_particles(tmp_path / "found.star", truth.subset(rows), class_numbers=np.array([1, 1, 2]))
    script.run(
        "evaluate",
        truth=tmp_path / "truth.star",
        predicted=tmp_path / "found.star",
        tolerance_angstrom=10,
        voxel_size=10,
        output=tmp_path / "scores.json",
    )
    assert set(json.loads((tmp_path / "scores.json").read_text())) == {"1", "2"}
    found = script.scores_of(tmp_path / "scores.json", task)
    assert found == pytest.approx(expected)
