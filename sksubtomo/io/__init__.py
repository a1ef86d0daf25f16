"""Tomograms, particle tables and boxes."""

from sksubtomo.io._extract import extract_subtomograms
from sksubtomo.io._mrc import Volume, read_mrc, write_mrc
from sksubtomo.io._new_table import make_particle_table
from sksubtomo.io._particles import ParticleTable, read_particles, write_particles
from sksubtomo.io._pickles import read_labeled_pickle
from sksubtomo.io._stack import SubtomogramStack
from sksubtomo.io._volume import read_volume

__all__ = [
    "ParticleTable",
    "SubtomogramStack",
    "Volume",
    "extract_subtomograms",
    "make_particle_table",
    "read_labeled_pickle",
    "read_mrc",
    "read_particles",
    "read_volume",
    "write_mrc",
    "write_particles",
]
