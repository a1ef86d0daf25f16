"""Tables of a bead in all dialects that are known, and how each has to be read."""

import json
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from sksubtomo.io import write_mrc

# A bead in this voxel, z, y, x, of a tomogram of this shape.
BEAD, SHAPE, VOXEL = (14, 20, 27), (32, 48, 64), 5.0


def star(columns, values, block="particles", name="TS_01", before=""):
    header = "".join(f"_{column}\n" for column in ["rlnTomoName", *columns])
    row = " ".join(str(value) for value in [name, *values])
    return f"{before}data_{block}\n\nloop_\n{header}{row}\n{row}\n"


def xyz(name, ending=""):
    return [f"{name}{axis}{ending}" for axis in "XYZ"]


RELION_PIXELS = xyz("rlnCoordinate")
CENTERED = xyz("rlnCenteredCoordinate", "Angst")
ORIGIN, ORIGIN_ANGST = xyz("rlnOrigin"), xyz("rlnOrigin", "Angst")
X, Y, Z = BEAD[::-1]
OFF_CENTER = [
    VOXEL * (place - edge / 2) for place, edge in zip(BEAD[::-1], SHAPE[::-1], strict=True)
]

SUBTOMOGRAM = [f"rlnTomoSubtomogram{name}" for name in ("Rot", "Tilt", "Psi")]
# A quarter turn of the axes about z: x of the subtomogram is y of the tomogram, y is -x.
QUARTER, TURNED = [0, 0, -90], np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
SKEW = [-119.1, 84.9, -110.8]


def off_by(shift, angles=(0, 0, 0)):
    """Coordinates x, y, z from which the bead is a shift away, by RELION's rule, in a unit."""
    matrix = Rotation.from_euler("ZYZ", angles, degrees=True).inv().as_matrix()
    return (matrix @ np.array(shift)).tolist()


def optics(**values):
    return "data_optics\n\n" + "".join(f"_{key} {value}\n" for key, value in values.items()) + "\n"


WARP_2D = "data_general\n\n_rlnTomoSubTomosAre2DStacks 1\n\n" + optics(
    rlnOpticsGroup=1, rlnTomoTiltSeriesPixelSize=0.7894, rlnImagePixelSize=2.5
)
FRACTIONS = [place / edge for place, edge in zip(BEAD[::-1], SHAPE[::-1], strict=True)]

DIALECTS = {
    "RELION 5, shifted, turned by a quarter": (
        star(
            [*CENTERED, *ORIGIN_ANGST, *SUBTOMOGRAM],
            [*(np.array(OFF_CENTER) + TURNED @ [10, 15, -5]), 10, 15, -5, *QUARTER],
        ),
        {"tomograms": True, "shifts": "apply"},
    ),
    "RELION 5, shifted, turned": (
        star(
            [*CENTERED, *ORIGIN_ANGST, *SUBTOMOGRAM],
            [*(np.array(OFF_CENTER) + off_by([12, -35, 40], SKEW)), 12, -35, 40, *SKEW],
        ),
        {"tomograms": True, "shifts": "apply"},
    ),
    "RELION 5, turned, shifts that are none of ours": (
        star([*CENTERED, *ORIGIN_ANGST, *SUBTOMOGRAM], [*OFF_CENTER, 12, -35, 40, *SKEW]),
        {"tomograms": True, "shifts": "ignore"},
    ),
    "RELION 4, shifted, turned": (
        star(
            [*RELION_PIXELS, *ORIGIN_ANGST, *SUBTOMOGRAM, "rlnTomoTiltSeriesPixelSize"],
            [
                *(2 * np.array([X, Y, Z]) + np.array(off_by([12, -35, 40], SKEW)) / 2.5),
                *(12, -35, 40, *SKEW, 2.5),
            ],
        ),
        {"tomograms": True, "shifts": "apply", "binning": 2},
    ),
    "pixels, shifted, turned": (
        star(
            [*RELION_PIXELS, *ORIGIN, *SUBTOMOGRAM],
            [*(np.array([X, Y, Z]) + off_by([2, -3, 4], SKEW)), 2, -3, 4, *SKEW],
        ),
        {"shifts": "apply"},
    ),
    "one shift in two columns": (
        star(
            [*RELION_PIXELS, *ORIGIN, *ORIGIN_ANGST, "rlnPixelSize"],
            [X + 2, Y - 3, Z + 4, 2, -3, 4, 2 * VOXEL, -3 * VOXEL, 4 * VOXEL, VOXEL],
        ),
        {"tomograms": True, "shifts": "apply"},
    ),
    "one shift in two columns, pixels of the header": (
        star(
            [*RELION_PIXELS, *ORIGIN, *ORIGIN_ANGST],
            [X + 2, Y - 3, Z + 4, 2, -3, 4, 2 * VOXEL, -3 * VOXEL, 4 * VOXEL],
        ),
        {"tomograms": True, "shifts": "apply"},
    ),
    "shifts in angstrom, voxels of the file": (
        star([*RELION_PIXELS, *ORIGIN_ANGST], [X + 2, Y, Z - 1, 2 * VOXEL, 0, -VOXEL]),
        {"tomograms": True, "shifts": "apply"},
    ),
    "Warp's matching": (star(RELION_PIXELS, FRACTIONS), {"tomograms": True}),
    "Warp's matching, shifted": (
        star(
            [*RELION_PIXELS, *ORIGIN_ANGST],
            [*(np.array(FRACTIONS) + np.array([10, -5, 0]) / VOXEL / SHAPE[::-1]), 10, -5, 0],
        ),
        {"tomograms": True, "shifts": "apply"},
    ),
    "WarpTools 2-D": (
        star(
            [*RELION_PIXELS, "rlnOpticsGroup"],
            [2 * X, 2 * Y, 2 * Z, 1],
            name="TS_01.tomostar",
            before=WARP_2D,
        ),
        {"tomograms": True},
    ),
    "WarpTools 2-D, shifted": (
        star(
            [*RELION_PIXELS, "rlnOpticsGroup", *ORIGIN_ANGST],
            [2 * X + 2, 2 * Y, 2 * Z - 4, 1, 5, 0, -10],
            name="TS_01.tomostar",
            before=WARP_2D,
        ),
        {"tomograms": True, "shifts": "apply"},
    ),
    "WarpTools 2-D, told the pixels": (
        star(RELION_PIXELS, [2 * X, 2 * Y, 2 * Z], name="TS_01.tomostar", before=WARP_2D),
        {"tomograms": True, "pixel_size_angstrom": 2.5},
    ),
    "WarpTools 3-D": (
        star(
            [*RELION_PIXELS, "rlnMagnification", "rlnDetectorPixelSize", "rlnPixelSize"],
            [2 * X, 2 * Y, 2 * Z, 10000, 2.5, 2.5],
            name="TS_01.tomostar",
        ),
        {"tomograms": True},
    ),
    "Warp 1": (
        star(
            [*RELION_PIXELS, "rlnMagnification", "rlnDetectorPixelSize", "rlnCtfImage"],
            [2 * X, 2 * Y, 2 * Z, 20000, 5, "ctf.mrc"],
            name="TS_01.tomostar",
        ),
        {"tomograms": True},
    ),
    "M": (
        star(
            [f"wrpCoordinate{axis}{time}" for axis in "XYZ" for time in "12"],
            [VOXEL * place for place in (X, 1.1 * X, Y, 1.1 * Y, Z, 1.1 * Z)],
        ),
        {"tomograms": True},
    ),
    "M, told the voxels": (
        star([f"wrpCoordinate{axis}1" for axis in "XYZ"], [VOXEL * X, VOXEL * Y, VOXEL * Z]),
        {"pixel_size_angstrom": VOXEL},
    ),
    "pytom-match-pick for RELION 5": (
        star(
            [*CENTERED, "rlnLCCmax", "rlnCutOff", "rlnSearchStd", "rlnTomoTiltSeriesPixelSize"],
            [*OFF_CENTER, 0.3, 0.1, 0.02, VOXEL],
        ),
        {"tomograms": True},
    ),
    "pytom-match-pick": (
        star([*RELION_PIXELS, "rlnLCCmax", "rlnDetectorPixelSize"], [X, Y, Z, 0.3, VOXEL]),
        {"tomograms": True},
    ),
    "RELION 3, Warp": (star(RELION_PIXELS, [X, Y, Z]), {}),
    "unbinned pixels": (star(RELION_PIXELS, [4 * X, 4 * Y, 4 * Z]), {"binning": 4}),
    "RELION 3, shifted": (
        star([*RELION_PIXELS, *ORIGIN], [X + 2, Y - 1.5, Z + 0.5, 2, -1.5, 0.5]),
        {"shifts": "apply"},
    ),
    "shifted unbinned pixels": (
        star([*RELION_PIXELS, *ORIGIN], [2 * X + 6, 2 * Y, 2 * Z, 6, 0, 0]),
        {"shifts": "apply", "binning": 2},
    ),
    "RELION 3.1, RELION 4, M": (
        star([*RELION_PIXELS, *ORIGIN_ANGST], [X + 2, Y, Z - 1, 2 * VOXEL, 0, -VOXEL]),
        {"shifts": "apply", "pixel_size_angstrom": VOXEL},
    ),
    "RELION 4, unbinned pixels": (
        star([*RELION_PIXELS, *ORIGIN_ANGST], [2 * X + 2, 2 * Y, 2 * Z, VOXEL, 0, 0]),
        {"shifts": "apply", "pixel_size_angstrom": VOXEL / 2, "binning": 2},
    ),
    "RELION 5": (star(CENTERED, OFF_CENTER), {"tomograms": True}),
    "RELION 5, shifted": (
        star(
            [*CENTERED, *ORIGIN_ANGST],
            [OFF_CENTER[0] + 7.5, OFF_CENTER[1], OFF_CENTER[2] - 5, 7.5, 0, -5],
        ),
        {"tomograms": True, "shifts": "apply"},
    ),
    "STOPGAP": (
        star(["orig_x", "orig_y", "orig_z"], [X + 1, Y + 1, Z + 1], "stopgap_motivelist"),
        {},
    ),
    "STOPGAP, shifted": (
        star(
            ["orig_x", "orig_y", "orig_z", "x_shift", "y_shift", "z_shift"],
            [X + 1 - 2, Y + 1, Z + 1 + 0.25, 2, 0, -0.25],
        ),
        {"shifts": "apply"},
    ),
    "shifts that are none of ours": (
        star([*RELION_PIXELS, *ORIGIN], [X, Y, Z, 5, 5, 5]),
        {"shifts": "ignore"},
    ),
}


DYNAMO = [1, 1, 0, 2, -1, 0.5, *[0] * 13, 1, 1, 3, 0, X + 1 - 2, Y + 1 + 1, Z + 1 - 0.5, *[0] * 9]
OTHER_FILES = {
    "a.coords": (f"{X} {Y} {Z}\n{X}.0 {Y} {Z}.0\n", {}),
    "napari.csv": (
        f"index,axis-0,axis-1,axis-2,class\n0,{Z},{Y},{X},1\n1,{Z}.0,{Y},{X},0\n",
        {},
    ),
    "relion.csv": (
        f"rlnCoordinateX,rlnCoordinateY,rlnCoordinateZ\n{X},{Y},{Z}\n{X},{Y},{Z}\n",
        {},
    ),
    "a.tbl": (f"{' '.join(map(str, DYNAMO))}\n" * 2, {"shifts": "apply"}),
    "a.csv": (f"x,y,z,score\n{X},{Y},{Z},0.5\n{X},{Y},{Z},0.25\n", {}),
    "a.json": (
        json.dumps(
            {
                "pickable_object_name": "ribosome",
                "run_name": "TS_01",
                "unit": "angstrom",
                "points": [{"location": {"x": VOXEL * X, "y": VOXEL * Y, "z": VOXEL * Z}}] * 2,
            }
        ),
        {"pixel_size_angstrom": VOXEL},
    ),
}


def with_tomogram(tmp_path, text, name="TS_01.mrc", shape=SHAPE, voxel=VOXEL):
    write_mrc(tmp_path / name, np.zeros(shape, dtype=np.float32), voxel, overwrite=True)
    (tmp_path / "a.star").write_text(text)
    return {"path": tmp_path / "a.star", "tomograms": {Path(name).stem: tmp_path / name}}
