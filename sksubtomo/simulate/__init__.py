"""A microscope: from atoms to images of a tilt series."""

from sksubtomo.simulate._atoms import Atoms, read_atoms
from sksubtomo.simulate._complexes import COMPLEXES, Complex, pseudo_atoms
from sksubtomo.simulate._density import (
    density_from_atoms,
    ice_potential_volt,
    resample_volume,
    scattering_factor,
)
from sksubtomo.simulate._imaging import estimate_snr, volume_transfer
from sksubtomo.simulate._microscope import Microscope, TiltScheme, image_tilts, shot_noise
from sksubtomo.simulate._specimen import (
    add_vesicle,
    embed_particles,
    gold_fiducial,
    place_spheres,
)

__all__ = [
    "COMPLEXES",
    "Atoms",
    "Complex",
    "Microscope",
    "TiltScheme",
    "add_vesicle",
    "density_from_atoms",
    "embed_particles",
    "estimate_snr",
    "gold_fiducial",
    "ice_potential_volt",
    "image_tilts",
    "place_spheres",
    "pseudo_atoms",
    "read_atoms",
    "resample_volume",
    "scattering_factor",
    "shot_noise",
    "volume_transfer",
]
