"""Phantoms of six species, candidates without a species in mind, and the challenge's score."""

import sys

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sksubtomo.datasets import load_density

MASSES_KDA = {
    "apo_ferritin": 480,
    "beta_amylase": 224,
    "beta_galactosidase": 465,
    "thyroglobulin": 660,
    "virus_like_particle": 2520,
}
#: Published extents, largest first; where symmetry says nothing of the axes.
EXTENTS_ANGSTROM = {
    "apo_ferritin": (120, 120, 120),
    "beta_amylase": (120, 120, 68),
    "beta_galactosidase": (175, 135, 90),
    "thyroglobulin": (250, 160, 110),
    "virus_like_particle": (280, 280, 280),
}


@pytest.fixture
def species(benchmark):
    return benchmark("_species")


@pytest.mark.parametrize("name", MASSES_KDA)
def test_phantoms_have_the_published_mass_and_size(species, name):
    atoms = getattr(species, name)()
    assert atoms.masses_da().sum() / 1e3 == pytest.approx(MASSES_KDA[name], rel=0.1)
    extents = np.sort(np.ptp(atoms.positions_angstrom, axis=0))[::-1] + species._SPACING_ANGSTROM
    np.testing.assert_allclose(extents, EXTENTS_ANGSTROM[name], rtol=0.08)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("apo_ferritin", "O"),
        ("beta_amylase", "D2"),
        ("beta_galactosidase", "D2"),
        ("thyroglobulin", "C2"),
        ("virus_like_particle", "I"),
    ],
)
def test_phantoms_are_symmetric(species, name, group):
    atoms = getattr(species, name)()
    density = load_density(atoms, voxel_size_angstrom=16.0)
    points = atoms.positions_angstrom[:: max(1, len(atoms.positions_angstrom) // 20000)]

    # Moments of the fourth order see what moments of inertia do not.
    def moments(turned):
        return np.array([(turned**k).mean(axis=0) for k in (2, 4)])

    for turn in Rotation.create_group(group)[:8]:
        np.testing.assert_allclose(moments(turn.apply(points)), moments(points), rtol=0.05)
    assert density.shape[0] <= species.BOX


def test_protein_is_as_dense_as_the_embedded_complexes(species):
    embedded = load_density("groel", voxel_size_angstrom=13.0)
    own = load_density(species.beta_galactosidase(), voxel_size_angstrom=13.0)
    per_dalton = own.sum() / species.beta_galactosidase().masses_da().sum()
    assert per_dalton == pytest.approx(embedded.sum() / 802e3, rel=0.02)


def test_maps_fit_into_boxes(species):
    maps = species.densities()
    assert len(maps) == len(species.SPECIES)
    assert max(len(density) for density in maps) <= species.BOX


def test_blobs_of_several_sizes_are_found_once(species):
    size = 90
    z, y, x = np.indices((56, size, size))
    centers = [(28, 25, 25), (28, 25, 62), (28, 62, 25)]
    tomogram = np.random.default_rng(0).normal(size=z.shape)
    for center, radius in zip(centers, (5, 8, 5), strict=True):
        distance = np.sqrt((z - center[0]) ** 2 + (y - center[1]) ** 2 + (x - center[2]) ** 2)
        tomogram -= 6.0 * (distance < radius)
    places, scores = species.pick_blobs(tomogram)
    assert scores.shape == (len(places), len(species.DIAMETERS_ANGSTROM))
    near = np.linalg.norm(places[:, np.newaxis] - np.array(centers), axis=2) < 3
    assert near[:3].any(axis=0).all()
    # Responses at a voxel belong to the place that they are given for.
    assert scores[:3].max() == pytest.approx(scores.max())
    assert (near.sum(axis=0) == 1).all()


def test_species_of_places(species):
    centers = np.array([[20.0, 20, 20], [20, 20, 60]])
    kinds = np.array([1, 4])
    # Half the radius of apo-ferritin is 30 angstrom, 2.3 voxels; of a ribosome 75, 5.8 voxels.
    places = np.array([[20.0, 20, 22], [20, 20, 23], [20, 20, 65], [20, 20, 61], [20, 20, 54]])
    assert species.species_of(places, centers, kinds).tolist() == [1, 0, 0, 4, 0]
    # Only what is predicted to be a species pairs with it.
    chosen = np.array([4, 4, 4, 0, 0])
    assert species.species_of(places, centers, kinds, chosen).tolist() == [0, 0, 4, 0, 0]


@pytest.fixture
def candidates(species):
    """Fifty places, of which a particle is at each of the first thirty; and ten more particles."""
    rng = np.random.default_rng(0)
    places = np.arange(50.0)[:, np.newaxis] * np.array([0, 0, 30.0])
    kinds = np.append(np.arange(30) % 6 + 1, np.zeros(20, int))
    missed = np.array([[500.0, 0, 30.0 * k] for k in range(10)])
    return species.Candidates(
        rng.normal(size=(50, 8, 8, 8)).astype(np.float32) + kinds[:, None, None, None],
        kinds,
        np.column_stack([kinds, rng.normal(size=50)]).astype(float),
        places,
        np.vstack([places[:30], missed]),
        np.append(kinds[:30], np.full(10, 3)),
    )


def test_challenge_scores(species, candidates):
    # All are right, but ten beta-galactosidases (weight 2 of 7) were not picked.
    scores, mean = species.challenge_scores(candidates.species, [candidates])
    recall = 5 / 15
    expected = 17 * recall / (16 + recall)  # of precision 1
    assert scores == pytest.approx([1, 1, expected, 1, 1, 1])
    assert mean == pytest.approx((5 + 2 * expected) / 7)
    # Twice the tomogram has the same score: counts are added up.
    twice = species.challenge_scores(np.tile(candidates.species, 2), [candidates] * 2)
    assert twice[1] == pytest.approx(mean)
    # False ones of beta-amylase cost nothing but its own score.
    more = np.where(candidates.species == 0, 2, candidates.species)
    scores, same = species.challenge_scores(more, [candidates])
    assert same == pytest.approx(mean)
    precision = 5 / 25
    assert scores[1] == pytest.approx(17 * precision / (16 * precision + 1))


def test_labels_of_species(species, candidates):
    y = species.label_species(candidates, "random", 20, 0)
    assert (y >= 0).sum() == 20
    assert (y[y >= 0] == candidates.species[y >= 0]).all()
    y = species.label_species(candidates, "each", 2, 0)
    assert np.bincount(y[y >= 0]).tolist() == [12, 2, 2, 2, 2, 2, 2]
    # Of each, there are five; and of none, twenty.
    y = species.label_species(candidates, "each", 20, 0)
    assert np.bincount(y[y >= 0]).tolist() == [20, 5, 5, 5, 5, 5, 5]


def test_species_without_a_label_have_no_probability(species):
    proba = species.with_all_species(np.array([[0.25, 0.75]]), np.array([0, 4]))
    assert proba.tolist() == [[0.25, 0, 0, 0, 0.75, 0, 0]]


def test_killed_run_goes_on(benchmark, candidates, monkeypatch, tmp_path, capsys):
    script, path = benchmark("species"), tmp_path / "species.csv"
    monkeypatch.setattr(script, "load", lambda *_: (candidates, candidates))
    arguments = ["species.py", "--results", str(path), "--seeds", "0", "--kinds", "random"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--methods", "score", "score, figures"])
    # The picture is of the default.
    monkeypatch.setattr(script, "COMPARED", ["score", "score, figures"])
    script.main()
    whole = path.read_text()
    path.write_text(whole[:-20])
    script.main()
    assert len(path.read_text().splitlines()) == len(whole.splitlines()) == 5
    assert len((tmp_path / "species_each.csv").read_text().splitlines()) == 1 + 4 * 6
    table = path.with_suffix(".md").read_text()
    assert "| 50 random | score, figures | 1 |" in table
    assert path.with_suffix(".png").exists()
    capsys.readouterr()
