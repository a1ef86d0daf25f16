"""Atoms of molecules, read from PDB and mmCIF files."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sksubtomo._utils._files import check_is_file
from sksubtomo.exceptions import FileFormatError

# Taken off a free amino acid or nucleotide when it is linked to its neighbors.
_HYDROGENS_LOST_IN_CHAIN = 2


class Atoms(NamedTuple):
    """Atoms of a molecule.

    Parameters
    ----------
    elements : ndarray of shape (n_atoms,) of str
        Chemical symbols.
    positions_angstrom : ndarray of shape (n_atoms, 3)
        Positions x, y, z.
    occupancies : ndarray of shape (n_atoms,)
        How much of an atom is there.
    """

    elements: NDArray[np.str_]
    positions_angstrom: NDArray[np.float64]
    occupancies: NDArray[np.float64]

    def masses_da(self) -> NDArray[np.float64]:
        """Return masses, occupancy included.

        Returns
        -------
        masses_da : ndarray of shape (n_atoms,)
            In dalton.
        """
        gemmi = import_gemmi()
        symbols, which = np.unique(self.elements, return_inverse=True)
        weights = np.array([gemmi.Element(symbol).weight for symbol in symbols])
        return weights[which] * self.occupancies

    def centered(self) -> Atoms:
        """Return the atoms with their center of mass at the origin.

        Returns
        -------
        atoms : Atoms
            Shifted.
        """
        center = np.average(self.positions_angstrom, axis=0, weights=self.masses_da())
        return self._replace(positions_angstrom=self.positions_angstrom - center)

    def rotated(self, rotation: Rotation) -> Atoms:
        """Return the atoms rotated about the origin.

        Parameters
        ----------
        rotation : Rotation
            Of vectors (x, y, z).

        Returns
        -------
        atoms : Atoms
            Rotated.
        """
        return self._replace(positions_angstrom=rotation.apply(self.positions_angstrom))

    def radius_of_gyration_angstrom(self) -> float:
        """Return the root mean square distance from the center of mass, weighted by mass.

        Returns
        -------
        radius : float
            In angstrom.
        """
        squared = (self.centered().positions_angstrom ** 2).sum(axis=1)
        return float(np.sqrt(np.average(squared, weights=self.masses_da())))

    def radius_angstrom(self) -> float:
        """Return the largest distance of an atom from the center of mass.

        Returns
        -------
        radius : float
            In angstrom.
        """
        return float(np.linalg.norm(self.centered().positions_angstrom, axis=1).max())


def import_gemmi() -> Any:
    """Return the module ``gemmi``.

    Raises
    ------
    ImportError
        If it is not installed, with the way to get it.
    """
    try:
        import gemmi
    except ImportError as error:
        raise ImportError(
            'Atoms need the package gemmi: pip install "sksubtomo[data]" or pip install gemmi.'
        ) from error
    return gemmi


def read_atoms(path: str | os.PathLike[str], *, assembly: str | None = "1") -> Atoms:
    """Read a molecule from a PDB or mmCIF file.

    The first model is read, of alternative locations the first, without water. Hydrogens, which
    most entries leave out, are added as shares of the heavy atoms of their residue, by the
    residue's formula: below a resolution of about 4 angstrom, that is as good as their places.
    Atoms of unknown elements are left out, with a warning that counts them.

    Parameters
    ----------
    path : path-like
        The file, plain or compressed by gzip; ``.pdb``, ``.ent``, ``.cif``, ``.mmcif``.
    assembly : str or None, default="1"
        Name of the biological assembly (REMARK 350 in PDB files, ``pdbx_struct_assembly`` in
        mmCIF) whose operators are applied. Of a file that names none, the atoms as they are
        are taken for the assembly "1". None takes the atoms as they are, the asymmetric unit.

    Returns
    -------
    atoms : Atoms
        Where the file has them: center with :meth:`Atoms.centered`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If it cannot be read, or has no atoms.
    ValueError
        If it has no assembly of this name.

    Warns
    -----
    UserWarning
        If atoms of unknown elements are left out.
    """
    gemmi = import_gemmi()
    path = Path(path)
    check_is_file(path)
    try:
        structure = gemmi.read_structure(str(path))
    except (RuntimeError, ValueError, OSError) as error:
        raise FileFormatError(f"{path} cannot be read as PDB or mmCIF: {error}.") from error
    structure.setup_entities()
    structure.remove_alternative_conformations()
    structure.remove_waters()
    if not len(structure) or not structure[0].count_atom_sites():
        raise FileFormatError(
            f"{path} holds no atoms. Check that it is a PDB or mmCIF file of coordinates."
        )
    model = structure[0]
    if assembly is not None and (structure.assemblies or assembly != "1"):
        model = _assemble(gemmi, structure, assembly, path)
    return _collect(gemmi, model, path)


def _assemble(gemmi: Any, structure: Any, name: str, path: Path) -> Any:
    found = {assembly.name: assembly for assembly in structure.assemblies}
    if name not in found:
        raise ValueError(f"{path} has no assembly {name!r}; it has {sorted(found)}.")
    return gemmi.make_assembly(found[name], structure[0], gemmi.HowToNameCopiedChain.Dup)


def _collect(gemmi: Any, model: Any, path: Path) -> Atoms:
    elements: list[str] = []
    positions: list[tuple[float, float, float]] = []
    occupancies: list[float] = []
    unknown: Counter[str] = Counter()
    with_hydrogens = model.has_hydrogen()
    for residue in (residue for chain in model for residue in chain):
        known = [atom for atom in residue if atom.element.name != "X"]
        unknown.update(atom.name for atom in residue if atom.element.name == "X")
        share = 0.0 if with_hydrogens or not known else _hydrogens(gemmi, residue) / len(known)
        for atom in known:
            place = (atom.pos.x, atom.pos.y, atom.pos.z)
            elements.append(atom.element.name)
            positions.append(place)
            occupancies.append(atom.occ)
            if share:
                elements.append("H")
                positions.append(place)
                occupancies.append(share * atom.occ)
    if unknown:
        names = ", ".join(f"{name or '?'} ({n})" for name, n in unknown.most_common(5))
        warnings.warn(
            f"{path}: {unknown.total()} atoms of unknown elements are left out: {names}.",
            UserWarning,
            stacklevel=3,
        )
    if not elements:
        raise FileFormatError(f"{path} holds no atom of a known element.")
    return Atoms(np.array(elements), np.array(positions), np.array(occupancies))


def _hydrogens(gemmi: Any, residue: Any) -> int:
    known = gemmi.find_tabulated_residue(residue.name)
    in_chain = known.is_amino_acid() or known.is_nucleic_acid()
    return max(0, known.hydrogen_count - _HYDROGENS_LOST_IN_CHAIN * in_chain)
