"""Rotation, projection and back-projection of volumes, as pure functions of arrays."""

from sksubtomo.geometry._orientations import point_group, rotation_grid
from sksubtomo.geometry._projection import (
    angular_weights,
    back_project,
    check_tilts,
    project_tilts,
)
from sksubtomo.geometry._rotation import rotate_volume

__all__ = [
    "angular_weights",
    "back_project",
    "check_tilts",
    "point_group",
    "project_tilts",
    "rotate_volume",
    "rotation_grid",
]
