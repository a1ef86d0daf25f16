"""Data sets: made and simulated ones, and structures of complexes."""

from sksubtomo.datasets._densities import load_density
from sksubtomo.datasets._fetch import fetch_complexes
from sksubtomo.datasets._paper import make_paper_simulated
from sksubtomo.datasets._save import save_subtomograms, save_tomogram
from sksubtomo.datasets._subtomograms import make_subtomograms
from sksubtomo.datasets._tomogram import Distractors, make_tomogram
from sksubtomo.io import relion_angle_columns, relion_angles_deg

__all__ = [
    "Distractors",
    "fetch_complexes",
    "load_density",
    "make_paper_simulated",
    "make_subtomograms",
    "make_tomogram",
    "relion_angle_columns",
    "relion_angles_deg",
    "save_subtomograms",
    "save_tomogram",
]
