"""The search from coarse to fine against the exhaustive one."""

import threading

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sksubtomo.datasets import load_density, make_tomogram
from sksubtomo.geometry import rotation_grid
from sksubtomo.picking import (
    DifferenceOfGaussiansPicker,
    TemplateMatchingPicker,
    ball_mask,
    evaluate_picks,
    match_template,
    pick_dog_then_template,
)
from sksubtomo.picking._coarse_to_fine import TemplateSearch, _orientations_around
from sksubtomo.picking._local import LocalMatches, match_around

CPU = {"tilt_range_deg": 60.0, "device": "cpu", "n_jobs": 1}


@pytest.fixture(scope="module")
def crowd():
    """A tomogram that no setting of the search was chosen on."""
    return make_tomogram(
        ["groel", "ubid"],
        n_particles=8,
        shape=(32, 56, 56),
        box_size=20,
        voxel_size_angstrom=16.0,
        snr=0.3,
        random_state=11,
    )


def picker(**params):
    density = load_density("groel", voxel_size_angstrom=16.0)
    defaults = {"angular_step_deg": 20.0, "symmetry": "D7", "max_picks": 4}
    return TemplateMatchingPicker(-density, **{**defaults, **params})


def scores_of(picks, data):
    truth = data.coordinates[data.y == 0]
    return evaluate_picks(
        picks.coordinates, truth, tolerance_angstrom=50.0, voxel_size_angstrom=16.0
    )


def test_finds_what_the_exhaustive_search_finds(crowd):
    fast, slow = (
        picker(search=search, angular_step_deg=15.0).pick(crowd.tomogram)
        for search in ("coarse_to_fine", "exhaustive")
    )
    assert scores_of(fast, crowd).f1 >= scores_of(slow, crowd).f1 > 0.8
    assert fast.orientations.shape == (4, 4)
    # Scores are those of the exhaustive search at the same voxel, or of a lesser orientation.
    scores, _ = picker(angular_step_deg=15.0).score_map(crowd.tomogram)
    there = scores[tuple(fast.coordinates.astype(int).T)]
    # Sums over a thousand voxels in float32.
    assert (fast.scores <= there + 1e-5).all()
    assert np.median(np.abs(fast.scores - there)) < 1e-5


def test_the_route_by_blobs_keeps_to_blobs(crowd):
    dog = DifferenceOfGaussiansPicker(140.0, 16.0, threshold=2.0)
    routes = [
        pick_dog_then_template(crowd.tomogram, dog, picker(search=search), n_best=4)
        for search in ("coarse_to_fine", "exhaustive")
    ]
    assert scores_of(routes[0], crowd).f1 >= scores_of(routes[1], crowd).f1 > 0.8
    blobs = dog.pick(crowd.tomogram).coordinates
    reach = np.ceil(picker()._apart)
    for place in routes[0].coordinates:
        assert (np.abs(blobs - place).max(axis=1) <= reach).any()


@pytest.mark.parametrize("search", ["coarse_to_fine", "exhaustive"])
def test_threads_change_no_bit(crowd, search):
    shares = []
    one, two, all_of_them = (
        picker(search=search, n_jobs=n_jobs).pick(crowd.tomogram, report=shares.append)
        for n_jobs in (1, 2, -1)
    )
    for other in (two, all_of_them):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert min(shares) >= 0
    assert max(shares) <= 1


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("search", ["coarse_to_fine", "exhaustive"])
def test_what_the_report_raises_ends_the_search(crowd, search, n_jobs):
    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        picker(search=search, n_jobs=n_jobs).pick(crowd.tomogram, report=stop)
    assert not [t for t in threading.enumerate() if t.name.startswith("ThreadPoolExecutor")]


def test_around_a_voxel_scores_are_those_of_the_whole_search():
    rng = np.random.default_rng(0)
    tomogram = rng.normal(5.0, 1.0, (14, 16, 15)).astype(np.float32)
    template = rng.normal(size=(6, 6, 6)).astype(np.float32)
    mask, rotations = ball_mask(6, 2.5), Rotation.random(5, rng=rng)
    every = np.stack(
        [
            match_template(tomogram, template, mask, rotations[[row]], tilt_range_deg=60.0)[0]
            for row in range(5)
        ]
    )
    places = np.array([[6, 7, 8], [3, 3, 3]])
    chosen = [np.array([0, 2, 4]), np.array([1])]
    found = match_around(
        tomogram, template, mask, rotations, places, chosen, reach=1, n_best=2, **CPU
    )
    for row, (place, numbers) in enumerate(zip(places, chosen, strict=True)):
        window = every[(numbers, *(slice(p - 1, p + 2) for p in place))]
        best = np.sort(window.reshape(len(numbers), -1).max(axis=1))[::-1][:2]
        # As match_template, in float32.
        np.testing.assert_allclose(found.scores[row][: len(best)], best, atol=1e-5)
        at = tuple(found.places[row])
        assert every[(found.rotations[row, 0], *at)] == pytest.approx(best[0], abs=1e-5)
    assert found.scores[1, 1] == -np.inf


def test_few_templates_at_a_time_give_the_same(monkeypatch):
    rng = np.random.default_rng(1)
    tomogram = rng.normal(size=(14, 16, 15)).astype(np.float32)
    template = rng.normal(size=(6, 6, 6)).astype(np.float32)
    arguments = (tomogram, template, ball_mask(6, 2.5), Rotation.random(9, rng=rng))
    places, chosen = np.array([[6, 7, 8], [5, 9, 6]]), [np.arange(9), np.array([1, 4, 8])]
    many = match_around(*arguments, places, chosen, reach=1, n_best=3, **CPU)
    monkeypatch.setattr("sksubtomo.picking._local._BYTES_OF_KERNELS", 1000)
    few = match_around(*arguments, places, chosen, reach=1, n_best=3, **CPU)
    assert np.array_equal(few.places, many.places)
    assert np.array_equal(few.rotations, many.rotations)
    # Products of matrices of other sizes, in float32.
    np.testing.assert_allclose(few.scores, many.scores, atol=1e-6)


@pytest.mark.parametrize("symmetry", ["C1", "D2"])
def test_orientations_around_one_are_those_within_a_step(symmetry):
    search = TemplateSearch(np.zeros((8, 8, 8)), 3.0, 30.0, symmetry, 60.0, 3.0)
    coarse, finer = search.levels[0]._replace(step_deg=60.0), search.levels[1]
    found = LocalMatches(
        np.zeros((1, 3), int), np.array([[0.5, -np.inf]]), np.array([[3, 0]], dtype=int)
    )
    (near,) = _orientations_around(found, search, coarse, finer)
    one = rotation_grid(60.0, symmetry=symmetry)[3]
    fine = rotation_grid(30.0, symmetry=symmetry)
    group = Rotation.create_group(symmetry)
    angles = np.min([(one.inv() * (fine * element)).magnitude() for element in group], axis=0)
    assert near.tolist() == np.flatnonzero(angles <= np.radians(60.0)).tolist()
    assert 0 < len(near) < len(fine)


@pytest.mark.parametrize(
    ("size", "step", "levels"),
    [
        (7, 30.0, [(1, 30.0), (1, 30.0)]),
        (21, 15.0, [(2, 30.0), (1, 15.0)]),
        (21, 5.0, [(2, 40.0), (2, 20.0), (2, 10.0), (1, 5.0)]),
        (13, 20.0, [(1, 40.0), (1, 20.0)]),
        (64, 15.0, [(4, 30.0), (2, 30.0), (1, 15.0)]),
        (64, 90.0, [(4, 90.0), (2, 90.0), (1, 90.0)]),
    ],
)
def test_levels(size, step, levels):
    search = TemplateSearch(np.zeros((size,) * 3), size / 2, step, "C1", 60.0, size / 2)
    assert [tuple(level) for level in search.levels] == levels


def test_a_box_that_is_mostly_empty_has_no_picks_there():
    tomogram = np.zeros((24, 40, 40), np.float32)
    tomogram[:, :20] = np.random.default_rng(0).normal(size=(24, 20, 40))
    found = picker(max_picks=None).pick(tomogram)
    assert (found.coordinates[:, 1] < 28).all()


def test_the_plan_counts_orientations_and_estimates():
    plan = picker(angular_step_deg=15.0).plan((40, 80, 80))
    assert plan.n_rotations == len(rotation_grid(15.0, symmetry="D7"))
    assert plan.n_everywhere < plan.n_rotations / 5
    assert plan.seconds > 0
    slow = picker(angular_step_deg=15.0, search="exhaustive").plan((40, 80, 80))
    assert (slow.n_rotations, slow.n_everywhere, slow.binning) == (plan.n_rotations,) * 2 + (1,)


def test_where_nothing_is_coarser_the_search_is_exhaustive(crowd):
    fast, slow = (
        picker(search=search, angular_step_deg=60.0).pick(crowd.tomogram)
        for search in ("coarse_to_fine", "exhaustive")
    )
    assert all(np.array_equal(a, b) for a, b in zip(fast, slow, strict=True))
