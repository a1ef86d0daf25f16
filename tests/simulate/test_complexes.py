import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from sksubtomo.simulate import COMPLEXES, pseudo_atoms


@pytest.mark.parametrize("name", COMPLEXES)
def test_mass_and_size_are_the_published_ones(name):
    entry, atoms = COMPLEXES[name], pseudo_atoms(name)
    assert atoms.masses_da().sum() / 1e3 == pytest.approx(entry.mass_kda, rel=1e-3)
    points = atoms.positions_angstrom
    # A residue is a ball of 6.4 angstrom.
    along = np.ptp(points[:, 2]) + 6.4
    across = 2 * np.linalg.norm(points[:, :2], axis=1).max() + 6.4
    assert (along, across) == pytest.approx(entry.size_angstrom, rel=0.1)
    assert entry.source
    assert len(entry.pdb_id) == 4


@pytest.mark.parametrize("name", [name for name in COMPLEXES if "ribosome" not in name])
def test_symmetry(name):
    points = pseudo_atoms(name).positions_angstrom
    tree = cKDTree(points)
    for rotation in Rotation.create_group(COMPLEXES[name].symmetry):
        distances, _ = tree.query(rotation.apply(points))
        assert distances.max() < 1e-6


def test_mean_density_is_that_of_protein():
    # Residues fill the space that they take: none doubly.
    points = pseudo_atoms("groel").positions_angstrom
    n_points = len(np.unique(points.round(6), axis=0))
    near = cKDTree(points).query_ball_point(points[:200], 12.0, return_length=True)
    assert n_points == len(points) / 5
    # A whole ball of 12 angstrom has 7238 A3, of 137 A3 a residue, five elements each.
    assert near.max() <= 1.35 * 5 * 7238 / 137


def test_radii_of_gyration_tell_them_apart():
    gyration = [pseudo_atoms(name).radius_of_gyration_angstrom() for name in COMPLEXES]
    assert len({round(radius) for radius in gyration}) >= len(COMPLEXES) - 1


def test_unknown_name():
    with pytest.raises(ValueError, match="no complex 'actin'; there are"):
        pseudo_atoms("actin")
