import gemmi
import numpy as np
import pytest
from scipy import ndimage

from sksubtomo.io import read_mrc
from sksubtomo.simulate import (
    COMPLEXES,
    Atoms,
    density_from_atoms,
    ice_potential_volt,
    pseudo_atoms,
    read_atoms,
    resample_volume,
    scattering_factor,
)

VOLT_ANGSTROM2 = 47.87801  # h**2 / (2 pi m e)


def random_atoms(seed=0, n=40, spread=12.0):
    rng = np.random.default_rng(seed)
    elements = rng.choice(["C", "N", "O", "S", "P"], n)
    return Atoms(elements, rng.normal(0, spread, (n, 3)), np.ones(n)).centered()


def moments(density, voxel):
    """Sum, center and squared radius of gyration about the center voxel, in angstrom."""
    grid = voxel * (np.indices(density.shape).reshape(3, -1).T - np.array(density.shape) // 2)
    mass = density.ravel() / density.sum()
    return density.sum(dtype=float), mass @ grid, mass @ (grid**2).sum(axis=1)


def test_agrees_with_an_independent_program():
    # gemmi's real-space sums, with the same blurring as a B factor: B = 8 pi**2 sigma**2.
    atoms, voxel, resolution, size = random_atoms(), 2.0, 12.0, 56
    model, chain, residue = gemmi.Model(1), gemmi.Chain("A"), gemmi.Residue()
    for element, place in zip(atoms.elements, atoms.positions_angstrom, strict=True):
        atom = gemmi.Atom()
        atom.element, atom.occ = gemmi.Element(str(element)), 1.0
        atom.b_iso = 8 * (resolution / np.sqrt(2)) ** 2
        atom.pos = gemmi.Position(*(place + voxel * (size // 2)))
        residue.add_atom(atom)
    chain.add_residue(residue)
    model.add_chain(chain)
    calculator = gemmi.DensityCalculatorE()
    calculator.cutoff = 1e-7
    calculator.grid.set_size(size, size, size)
    calculator.grid.set_unit_cell(gemmi.UnitCell(*[size * voxel] * 3, 90, 90, 90))
    calculator.add_model_density_to_grid(model)
    expected = VOLT_ANGSTROM2 * np.array(calculator.grid.array).transpose(2, 1, 0)
    density = density_from_atoms(
        atoms,
        voxel_size_angstrom=voxel,
        resolution_angstrom=resolution,
        box_size=size,
        solvent=False,
    )
    np.testing.assert_allclose(density, expected, atol=1e-2 * expected.max())


def test_total_potential_center_and_axes():
    atoms, voxel = random_atoms(1), 4.0
    density = density_from_atoms(atoms, voxel_size_angstrom=voxel, solvent=False)
    total, _, _ = moments(density, voxel)
    zero = np.zeros(1)
    expected = sum(scattering_factor(str(element), zero)[0] for element in atoms.elements)
    assert total * voxel**3 == pytest.approx(VOLT_ANGSTROM2 * expected, rel=1e-4)
    # One heavy atom far out along each axis: x is the last axis.
    place = np.array([[40.0, 0, 0], [-40.0, 0, 0], [0, 24.0, 0], [0, -24.0, 0]])
    density = density_from_atoms(
        Atoms(np.repeat("P", 4), place, np.ones(4)), voxel_size_angstrom=8.0, box_size=19
    )
    assert density[9, 9, 14] == pytest.approx(density.max(), rel=0.01)
    assert density[9, 12, 9] == pytest.approx(density.max(), rel=0.01)
    assert density[12, 9, 9] < 0.1 * density.max()


@pytest.mark.parametrize("name", COMPLEXES)
def test_radius_of_gyration_of_the_map_is_that_of_the_atoms(name):
    atoms, voxel, resolution = pseudo_atoms(name), 10.0, 20.0
    density = density_from_atoms(atoms, voxel_size_angstrom=voxel, resolution_angstrom=resolution)
    _, center, squared = moments(density, voxel)
    np.testing.assert_allclose(center, 0, atol=0.2)
    # Blurring adds its variance on each of three axes.
    expected = atoms.radius_of_gyration_angstrom() ** 2 + 3 * resolution**2 / (2 * np.pi**2)
    assert squared == pytest.approx(expected, rel=5e-3)


def test_protein_stands_out_from_ice():
    assert ice_potential_volt() == pytest.approx(4.57, abs=0.02)
    atoms, params = pseudo_atoms("groel"), {"voxel_size_angstrom": 8.0, "box_size": 32}
    in_ice = density_from_atoms(atoms, **params)
    in_vacuum = density_from_atoms(atoms, solvent=False, **params)
    displaced = 1.21 * atoms.masses_da().sum() * ice_potential_volt() / 8.0**3
    assert in_vacuum.sum() - in_ice.sum() == pytest.approx(displaced, rel=1e-3)
    assert 0 < in_ice.sum() < 0.5 * in_vacuum.sum()


def test_bad_input():
    atoms = random_atoms()
    with pytest.raises(ValueError, match="voxel_size_angstrom=0 must be positive"):
        density_from_atoms(atoms, voxel_size_angstrom=0)
    with pytest.raises(ValueError, match="resolution_angstrom=5.0 is beyond Nyquist"):
        density_from_atoms(atoms, voxel_size_angstrom=4.0, resolution_angstrom=5.0)
    with pytest.raises(ValueError, match="box of 8 voxels of 4 A is too small"):
        density_from_atoms(atoms, voxel_size_angstrom=4.0, box_size=8)
    with pytest.raises(ValueError, match="no electron scattering factor of the element 'X'"):
        scattering_factor("X", np.zeros(1))
    with pytest.raises(ValueError, match="factor=-1 must be positive"):
        resample_volume(np.zeros((4, 4, 4)), -1, 4)


def test_resampling_equals_computing_on_the_other_grid():
    atoms, params = pseudo_atoms("ubid"), {"resolution_angstrom": 24.0}
    fine = density_from_atoms(atoms, voxel_size_angstrom=6.0, box_size=45, **params)
    coarse = density_from_atoms(atoms, voxel_size_angstrom=10.0, box_size=27, **params)
    resampled = resample_volume(fine, 10.0 / 6.0, 27)
    np.testing.assert_allclose(resampled, coarse, atol=3e-3 * coarse.max())
    np.testing.assert_allclose(resample_volume(fine, 1.0, 45), fine, atol=1e-5 * fine.max())
    # About another point, a half-way shift.
    moved = resample_volume(fine, 1.0, 45, center=(22, 23.5, 20))
    expected = ndimage.shift(fine, (0, -1.5, 2), order=5)
    np.testing.assert_allclose(moved, expected, atol=0.01 * fine.max())


def test_real_structure_correlates_with_the_given_map(shared_data):
    data, (voxel, _, _) = read_mrc(shared_data / "density_maps_10A/1bxn.mrc")
    # The map is of the entry's asymmetric unit, L4S4: half of the assembly.
    path = shared_data / "structures/1bxn.pdb"
    given = resample_volume(data, 1.0, 31, center=ndimage.center_of_mass(data))

    def correlation(atoms):
        density = density_from_atoms(atoms, voxel_size_angstrom=voxel, box_size=31)
        return np.corrcoef(density.ravel(), given.ravel())[0, 1]

    half = read_atoms(path, assembly=None)
    assert correlation(half) > 0.98
    # Axes and hand are right, too.
    mirrored = half._replace(positions_angstrom=half.positions_angstrom * [1, 1, -1])
    swapped = half._replace(positions_angstrom=half.positions_angstrom[:, ::-1])
    assert max(correlation(mirrored), correlation(swapped)) < 0.9
    assert 0.7 < correlation(read_atoms(path)) < 0.85
