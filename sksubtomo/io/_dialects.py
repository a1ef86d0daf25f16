"""What the tables of each program mean by coordinates and shifts, and where that is said.

Reading is driven by this list; a test compares it with the table in the user guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._tables import kind_of

if TYPE_CHECKING:
    import pandas as pd

_MORE_AXES = re.compile(r"axis-([3-9]|[1-9][0-9]+)")
Columns = tuple[str, str, str]
#: Pixel sizes of RELION and Warp.
TILT_SERIES_PIXEL = "rlnTomoTiltSeriesPixelSize"
IMAGE_PIXEL = "rlnImagePixelSize"
SUBTOMOGRAM_ANGLES = ("rlnTomoSubtomogramRot", "rlnTomoSubtomogramTilt", "rlnTomoSubtomogramPsi")


@dataclass(frozen=True)
class Shift:
    """Columns by which a refinement moves centers.

    Parameters
    ----------
    columns : (str, str, str)
        Along z, y, x.
    unit : {"pixel", "angstrom"}
        Pixels are those of the coordinates.
    sign : {-1, 1}
        With which the shift is added to the coordinate.
    frame : {"tomogram", "subtomogram"}
        Whose axes: a subtomogram's are turned by ``rlnTomoSubtomogramRot``, ``Tilt`` and ``Psi``.
    may_miss : bool
        Whether a missing value is no shift.
    """

    columns: Columns
    unit: Literal["pixel", "angstrom"]
    sign: Literal[-1, 1]
    frame: Literal["tomogram", "subtomogram"]
    may_miss: bool = False


@dataclass(frozen=True)
class Dialect:
    """How the tables of a program say where particles are.

    Parameters
    ----------
    name : str
        The program.
    files : tuple of str
        Endings of its files.
    coordinates : (str, str, str)
        Columns z, y, x.
    unit : {"pixel", "angstrom", "fraction"}
        Of the coordinates: pixels, angstrom, or fractions of the tomogram's edges.
    origin : {"first voxel is 0", "first voxel is 1", "center"}
        What 0 is; the center is half of each edge, counted from the first voxel.
    source : str
        Where that is said.
    shifts : tuple of Shift
        All columns that shift centers.
    pixel : str, optional
        Column with the size of the pixels of the coordinates, where the program states it.
    pixel_of : str, optional
        What has pixels of that size.
    binned : bool
        Whether coordinates are scaled to the voxels of the tomogram without being asked: they are
        in pixels of `pixel` and of nothing else. Otherwise the binning is asked for.
    recognized : callable, optional
        Tells by the blocks and the table of particles whether they are of this program, where
        others have the same columns.
    """

    name: str
    files: tuple[str, ...]
    coordinates: Columns
    unit: Literal["pixel", "angstrom", "fraction"]
    origin: Literal["first voxel is 0", "first voxel is 1", "center"]
    source: str
    shifts: tuple[Shift, ...] = ()
    pixel: str | None = None
    pixel_of: str | None = None
    binned: bool = False
    recognized: Callable[[Mapping[str, Any], pd.DataFrame], bool] | None = None

    @property
    def first_voxel(self) -> float:
        """Coordinate of the first voxel's center, where coordinates are counted from it."""
        return 1.0 if self.origin == "first voxel is 1" else 0.0

    @property
    def is_centered(self) -> bool:
        """Whether coordinates are counted from the center of the tomogram."""
        return self.origin == "center"


def _axes(name: str, ending: str = "") -> Columns:
    return (f"{name}Z{ending}", f"{name}Y{ending}", f"{name}X{ending}")


def _are_normalized(_: Mapping[str, Any], table: pd.DataFrame) -> bool:
    return are_fractions(table, _PIXELS)


def _are_2d_stacks(blocks: Mapping[str, Any], table: pd.DataFrame) -> bool:
    # First what is soon told: there may be thousands of blocks.
    images = str(_first(table, "rlnImageName"))
    return (_has_tomostars(table) or "particleseries" in images) and any(
        _first(block, "rlnTomoSubTomosAre2DStacks") in (1, "1") for block in blocks.values()
    )


def _are_warp_boxes(_: Mapping[str, Any], table: pd.DataFrame) -> bool:
    return _has_tomostars(table) and {"rlnPixelSize", "rlnDetectorPixelSize"} <= set(table)


def _are_warp_boxes_1(_: Mapping[str, Any], table: pd.DataFrame) -> bool:
    return _has_tomostars(table) and {"rlnDetectorPixelSize", "rlnCtfImage"} <= set(table)


def _of_tilt_series(blocks: Mapping[str, Any], table: pd.DataFrame) -> bool:
    return any(TILT_SERIES_PIXEL in block for block in (table, blocks.get("optics", ())))


def _are_pytom_picks(_: Mapping[str, Any], table: pd.DataFrame) -> bool:
    columns = set(table)
    # RELION keeps the scores when it goes on with the particles.
    return {"rlnLCCmax", "rlnCutOff", "rlnSearchStd"} <= columns and not (
        columns & {*_axes("rlnOrigin", "Angst"), "rlnOpticsGroup"}
    )


def _first(block: Any, column: str) -> Any:
    if column not in block or not len(block):
        return None
    value = block[column]
    return value.iloc[0] if hasattr(value, "iloc") else value


def _has_tomostars(table: pd.DataFrame) -> bool:
    names = (str(_first(table, column)) for column in ("rlnTomoName", "rlnMicrographName"))
    return any(name.endswith(".tomostar") for name in names)


_PIXELS, _CENTERED = _axes("rlnCoordinate"), _axes("rlnCenteredCoordinate", "Angst")
# RELION's origin is where the center of the reference lies: it is taken off the coordinate.
_RELION_SHIFTS = (
    Shift(_axes("rlnOrigin", "Angst"), "angstrom", -1, "subtomogram"),
    Shift(_axes("rlnOrigin"), "pixel", -1, "subtomogram"),
)
_MOTL_SHIFTS = (Shift(("z_shift", "y_shift", "x_shift"), "pixel", 1, "tomogram"),)
# Of a point's matrix, rows x, y, z.
_TRANSLATION = ("transformation_23", "transformation_13", "transformation_03")
_RELION = "RELION 5, src/jaz/tomography/particle_set.cpp (getPosition)"
_EXPORT = "WarpTools/Commands/Tiltseries/ExportParticlesTiltseries.cs"

#: In the order in which they are tried.
DIALECTS = (
    Dialect(
        "pytom-match-pick, --relion5-compat",
        (".star",),
        _CENTERED,
        "angstrom",
        "center",
        "pytom-match-pick, src/pytom_tm/extract.py (extract_particles)",
        recognized=_are_pytom_picks,
    ),
    Dialect("RELION 5", (".star",), _CENTERED, "angstrom", "center", _RELION, _RELION_SHIFTS),
    Dialect(
        "Warp and WarpTools, template matching",
        (".star",),
        _PIXELS,
        "fraction",
        "first voxel is 0",
        "Warp, WarpLib/TiltSeries/TiltSeries.MatchFull.cs (PositionF)",
        _RELION_SHIFTS,
        recognized=_are_normalized,
    ),
    Dialect(
        "WarpTools, 2-D particle series",
        (".star",),
        _PIXELS,
        "pixel",
        "first voxel is 0",
        "Warp, WarpLib/TiltSeries/TiltSeries.ReconstructParticleSeries.cs (Position0)",
        _RELION_SHIFTS,
        IMAGE_PIXEL,
        "the particle images",
        binned=True,
        recognized=_are_2d_stacks,
    ),
    Dialect(
        "WarpTools, 3-D subtomograms",
        (".star", ".csv"),
        _PIXELS,
        "pixel",
        "first voxel is 0",
        f"Warp, {_EXPORT} (ConstructSubvolumeOutputTable)",
        _RELION_SHIFTS,
        "rlnPixelSize",
        "the subtomograms",
        binned=True,
        recognized=_are_warp_boxes,
    ),
    Dialect(
        "Warp 1, subtomograms",
        (".star", ".csv"),
        _PIXELS,
        "pixel",
        "first voxel is 0",
        "Warp, Warp/Controls/TaskDialogs/Tomo/DialogTomoParticleExport.xaml.cs",
        _RELION_SHIFTS,
        "rlnDetectorPixelSize",
        "the subtomograms",
        binned=True,
        recognized=_are_warp_boxes_1,
    ),
    Dialect(
        "RELION 4",
        (".star", ".csv"),
        _PIXELS,
        "pixel",
        "first voxel is 0",
        f"{_RELION} and getParticleCoordDecenteredPixel",
        _RELION_SHIFTS,
        TILT_SERIES_PIXEL,
        "the unbinned tilt series",
        recognized=_of_tilt_series,
    ),
    Dialect(
        "RELION 3, pytom-match-pick, TOMOMAN and others",
        (".star", ".csv"),
        _PIXELS,
        "pixel",
        "first voxel is 0",
        "RELION 5, src/metadata_label.h; WarpTools, docs/reference/warptools/"
        "tomogram_particle_files.md",
        _RELION_SHIFTS,
    ),
    Dialect(
        "M, species",
        (".star",),
        ("wrpCoordinateZ1", "wrpCoordinateY1", "wrpCoordinateX1"),
        "angstrom",
        "first voxel is 0",
        "Warp, WarpLib/Sociology/Species.cs (ParticlesToStar)",
    ),
    Dialect(
        "STOPGAP",
        (".star",),
        ("orig_z", "orig_y", "orig_x"),
        "pixel",
        "first voxel is 1",
        "STOPGAP, src/extract/func/extract_parse_subtomo_positions.m; "
        "sg_toolbox/sg_motl_apply_shifts.m",
        _MOTL_SHIFTS,
    ),
    Dialect(
        "TOM, AV3 and STOPGAP, motive lists",
        (".em",),
        ("orig_z", "orig_y", "orig_x"),
        "pixel",
        "first voxel is 1",
        "STOPGAP, sg_toolbox/sg_motl_av3_to_stopgap.m",
        _MOTL_SHIFTS,
    ),
    Dialect(
        "Dynamo",
        (".tbl",),
        ("z", "y", "x"),
        "pixel",
        "first voxel is 1",
        "Dynamo's wiki, Table_convention and Volume_center",
        (Shift(("dz", "dy", "dx"), "pixel", 1, "tomogram"),),
    ),
    Dialect(
        "copick",
        (".json",),
        ("z", "y", "x"),
        "angstrom",
        "first voxel is 0",
        "copick, src/copick/models.py (CopickPoint)",
        (Shift(_TRANSLATION, "angstrom", 1, "tomogram", may_miss=True),),
    ),
    Dialect(
        "napari, points",
        (".csv",),
        ("axis-0", "axis-1", "axis-2"),
        "pixel",
        "first voxel is 0",
        "napari, napari_builtins/io/_write.py (napari_write_points)",
    ),
    Dialect(
        "TomoTwin and napari-boxmanager",
        (".coords",),
        ("z", "y", "x"),
        "pixel",
        "first voxel is 0",
        "TomoTwin, tomotwin/modules/tools/extract_reference.py",
    ),
    Dialect(
        "plain",
        (".csv",),
        ("z", "y", "x"),
        "pixel",
        "first voxel is 0",
        "this package",
    ),
)


def find_dialect(
    path: Path, blocks: Mapping[str, Any], table: Any, *, are_pixels: bool = False
) -> Dialect | None:
    """Return how a table says where particles are, or None if it does not.

    Parameters
    ----------
    path : Path
        Its file.
    blocks : mapping of str to DataFrame or dict
        All blocks of the file.
    table : DataFrame or dict
        One of them.
    are_pixels : bool
        Whether the caller says that coordinates are no fractions.

    Raises
    ------
    FileFormatError
        If it says it in more than one way, which may mean different places.
    """
    columns = {str(column) for column in table}
    ending = kind_of(path)
    known = [one for one in DIALECTS if ending in one.files]
    found = [one for one in known if set(one.coordinates) <= columns]
    partly = {one.coordinates for one in known if set(one.coordinates) & columns}
    if found and len(partly) > 1:
        names = sorted(coordinates[2] for coordinates in partly)
        raise FileFormatError(
            f"{path} has coordinates of several kinds, {names}, which may mean different places. "
            "Remove all but one."
        )
    more = sorted(column for column in columns if _MORE_AXES.fullmatch(column))
    if more and "axis-2" in columns:
        raise FileFormatError(
            f"{path} has points of more than three axes ({more[0]}), of which it is not known "
            "which are z, y and x. Remove the column of the other axis, and name those of z, y and "
            "x axis-0, axis-1 and axis-2."
        )
    if are_pixels:
        found = [one for one in found if one.unit != "fraction"]
    fitting = (
        one
        for one in found
        if one.recognized is None or (hasattr(table, "columns") and one.recognized(blocks, table))
    )
    return next(fitting, None)


def are_fractions(table: pd.DataFrame, columns: Columns) -> bool:
    """Tell whether all coordinates are in [0, 1], and more than whole numbers.

    Particles in the corner voxel only would be the other reading, of which no box is inside.
    """
    values = [table[column] for column in columns]
    if not len(table) or any(column.dtype.kind not in "iuf" for column in values):
        return False
    numbers = np.array([column.to_numpy(dtype=np.float64) for column in values])
    return bool(((numbers >= 0) & (numbers <= 1)).all() and (numbers % 1 != 0).any())


def known_columns() -> list[str]:
    """Return the columns of coordinates of all programs, for messages."""
    return list(dict.fromkeys(" ".join(one.coordinates[::-1]) for one in DIALECTS))
