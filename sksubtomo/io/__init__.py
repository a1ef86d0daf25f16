"""Tomograms, particle tables and boxes."""

from sksubtomo.io._classes import check_new_classes
from sksubtomo.io._euler import relion_angle_columns, relion_angles_deg, relion_rotations
from sksubtomo.io._extract import box_outcomes, extract_subtomograms
from sksubtomo.io._mrc import Volume, read_mrc, write_mrc
from sksubtomo.io._names import find_tomograms, list_tomograms, tomogram_stem
from sksubtomo.io._new_table import make_particle_table
from sksubtomo.io._particle_table import ParticleTable
from sksubtomo.io._particles import read_particles
from sksubtomo.io._pickles import read_labeled_pickle
from sksubtomo.io._points import make_copick_points, make_napari_points
from sksubtomo.io._shared_volumes import SharedVolumes
from sksubtomo.io._stack import SubtomogramStack
from sksubtomo.io._tilt_series import TiltSeries, read_tilt_series
from sksubtomo.io._tomogram_map import read_tomogram_map
from sksubtomo.io._volume import open_volume, read_volume, read_voxel_size
from sksubtomo.io._write_particles import takes_poses, writable_table, write_particles

__all__ = [
    "ParticleTable",
    "SharedVolumes",
    "SubtomogramStack",
    "TiltSeries",
    "Volume",
    "box_outcomes",
    "check_new_classes",
    "extract_subtomograms",
    "find_tomograms",
    "list_tomograms",
    "make_copick_points",
    "make_napari_points",
    "make_particle_table",
    "open_volume",
    "read_labeled_pickle",
    "read_mrc",
    "read_particles",
    "read_tilt_series",
    "read_tomogram_map",
    "read_volume",
    "read_voxel_size",
    "relion_angle_columns",
    "relion_angles_deg",
    "relion_rotations",
    "takes_poses",
    "tomogram_stem",
    "writable_table",
    "write_mrc",
    "write_particles",
]
