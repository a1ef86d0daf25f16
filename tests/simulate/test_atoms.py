import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sksubtomo.exceptions import FileFormatError
from sksubtomo.simulate import Atoms, read_atoms

ATOM = (
    "ATOM  {serial:>5} {name:<4} {residue:>3} A{number:>4}    {x:8.3f}{y:8.3f}{z:8.3f}"
    "  1.00 10.00          {element:>2}\n"
)
# A second copy, shifted by 20 along x and turned half round z.
BIOMT = """\
REMARK 350 BIOMOLECULE: 1
REMARK 350 APPLY THE FOLLOWING TO CHAINS: A
REMARK 350   BIOMT1   1  1.000000  0.000000  0.000000        0.00000
REMARK 350   BIOMT2   1  0.000000  1.000000  0.000000        0.00000
REMARK 350   BIOMT3   1  0.000000  0.000000  1.000000        0.00000
REMARK 350   BIOMT1   2 -1.000000  0.000000  0.000000       20.00000
REMARK 350   BIOMT2   2  0.000000 -1.000000  0.000000        0.00000
REMARK 350   BIOMT3   2  0.000000  0.000000  1.000000        0.00000
"""


def glycine(number, x, element="C"):
    names = [("N", "N"), ("CA", element), ("C", "C"), ("O", "O")]
    return "".join(
        ATOM.format(
            serial=4 * number + i, name=name, residue="GLY", number=number, x=x + i, y=0, z=0,
            element=symbol,
        )
        for i, (name, symbol) in enumerate(names)
    )  # fmt: skip


@pytest.fixture
def pdb(tmp_path):
    def write(text, name="a.pdb"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_mass_counts_the_hydrogens_that_the_file_leaves_out(pdb):
    atoms = read_atoms(pdb(glycine(1, 0.0) + glycine(2, 5.0) + "END\n"))
    # Two residues of glycine in a chain, C2 H3 N O: 57.05 Da each.
    assert atoms.masses_da().sum() == pytest.approx(2 * 57.05, abs=0.1)
    assert atoms.occupancies[atoms.elements == "H"].sum() == pytest.approx(6)


def test_assembly_operators(pdb):
    path = pdb(BIOMT + glycine(1, 0.0) + "END\n")
    alone, whole = read_atoms(path, assembly=None), read_atoms(path)
    assert len(whole.elements) == 2 * len(alone.elements)
    copy = alone.positions_angstrom * [-1, -1, 1] + [20, 0, 0]
    np.testing.assert_allclose(
        whole.positions_angstrom, np.concatenate([alone.positions_angstrom, copy]), atol=1e-3
    )
    with pytest.raises(ValueError, match=r"has no assembly '2'; it has \['1'\]"):
        read_atoms(path, assembly="2")


def test_unknown_atoms_are_counted_and_left_out(pdb):
    path = pdb(glycine(1, 0.0) + glycine(2, 5.0, "X") + "END\n")
    with pytest.warns(UserWarning, match=r"a.pdb: 1 atoms of unknown elements .*: CA \(1\)"):
        atoms = read_atoms(path)
    assert "X" not in atoms.elements


def test_bad_files(pdb, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*b.pdb"):
        read_atoms(tmp_path / "b.pdb")
    with pytest.raises(FileFormatError, match=r"a.pdb holds no atoms"):
        read_atoms(pdb("REMARK nothing\n"))
    with pytest.raises(FileFormatError, match=r"a.cif"):
        read_atoms(pdb("data_x\nloop_\n_a.b\n_a.c\n1 2 3\n", "a.cif"))
    text = glycine(1, 0.0).replace(" N\n", " X\n").replace(" C\n", " X\n")
    path = pdb(text.replace(" O\n", " X\n") + "END\n")
    with pytest.warns(UserWarning, match="4 atoms of unknown"):  # noqa: SIM117
        with pytest.raises(FileFormatError, match="no atom of a known element"):
            read_atoms(path)


def test_radius_of_gyration_in_closed_form():
    # A cube of equal atoms of edge 2 a: Rg = a sqrt(3).
    corners = 5.0 * (np.indices((2, 2, 2)).reshape(3, -1).T * 2 - 1) + 30.0
    atoms = Atoms(np.repeat("C", 8), corners, np.ones(8))
    assert atoms.radius_of_gyration_angstrom() == pytest.approx(5 * np.sqrt(3))
    assert atoms.radius_angstrom() == pytest.approx(5 * np.sqrt(3))
    turned = atoms.rotated(Rotation.random(rng=np.random.default_rng(0)))
    assert turned.radius_of_gyration_angstrom() == pytest.approx(5 * np.sqrt(3))
    np.testing.assert_allclose(atoms.centered().positions_angstrom.mean(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "n_operators", "mass_kda"),
    # Rubisco L8 S8 (all of it in the file's entry); two chains of the ATPase domain of Ssb1.
    [("1bxn.pdb", 2, 516), ("3gl1.pdb", 1, 41), ("4zxb.cif", 2, 368)],
)
def test_real_structures(shared_data, name, n_operators, mass_kda):
    path = shared_data / "structures" / name
    whole, alone = read_atoms(path), read_atoms(path, assembly=None)
    assert whole.masses_da().sum() / 1e3 == pytest.approx(mass_kda, rel=0.02)
    if name != "3gl1.pdb":
        assert len(whole.elements) == n_operators * len(alone.elements)
