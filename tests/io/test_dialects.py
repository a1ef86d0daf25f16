from pathlib import Path

import pandas as pd
import pytest

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._dialects import DIALECTS, find_dialect

GUIDE = Path(__file__).resolve().parents[2] / "docs/user_guide/io.rst"


def guide_table():
    """Return the table of the user guide, in reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 16 20 20 18 26", ""]
    header = ("Program (files)", "Coordinates (x)", "Unit and origin", "Shifts (x)", "Source")
    for row in (header, *map(guide_row, DIALECTS)):
        lines += [f"   {'* -' if not cell else '  -'} {text}" for cell, text in enumerate(row)]
    return "\n".join(lines) + "\n"


def guide_row(one):
    files = ", ".join(f"``{ending}``" for ending in one.files)
    unit = {
        "pixel": f"pixels of {one.pixel_of}, ``{one.pixel}``"
        if one.pixel
        else "pixels, ``binning`` of which are a voxel",
        "angstrom": "angstrom",
        "fraction": "fractions of the tomogram's edges",
    }[one.unit]
    origin = "from the center of the tomogram" if one.is_centered else one.origin
    shifts = "none"
    if one.shifts:
        named = [f"``{shift.columns[2]}`` ({shift.unit})" for shift in one.shifts]
        what = "added to" if one.shifts[0].sign > 0 else "subtracted from"
        shifts = (
            f"{' or '.join(named)}, {what} the coordinate, in the {one.shifts[0].frame}'s frame"
        )
    return (
        f"{one.name} ({files})",
        f"``{one.coordinates[2]}``",
        f"{unit}; {origin}",
        shifts,
        one.source,
    )


def test_the_guide_has_the_table_that_reading_goes_by():
    assert guide_table() in GUIDE.read_text()


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
def test_every_dialect_is_told_in_full(dialect):
    assert dialect.source
    assert not dialect.binned or (dialect.unit == "pixel" and dialect.pixel is not None)
    for axes in (dialect.coordinates, *(shift.columns for shift in dialect.shifts)):
        assert len(set(axes)) == 3
    if dialect.unit != "pixel":
        assert dialect.first_voxel == 0


def test_the_first_that_fits_is_taken():
    # One without conditions comes after those with the same columns.
    for number, dialect in enumerate(DIALECTS):
        later = DIALECTS[number + 1 :]
        if dialect.recognized is None:
            assert not [
                one.name
                for one in later
                if one.coordinates == dialect.coordinates and set(one.files) & set(dialect.files)
            ]


def test_coordinates_of_two_kinds_are_refused():
    columns = [f"{name}{axis}" for name in ("rlnCoordinate", "orig_") for axis in "XYZxyz"]
    table = pd.DataFrame(columns=columns)
    with pytest.raises(FileFormatError, match=r"a.star has coordinates of several kinds"):
        find_dialect(Path("a.star"), {"": table}, table)


@pytest.mark.parametrize("value", ["0", "1"])
def test_only_stacks_of_warp_count_in_pixels_of_images(value):
    general = {"rlnTomoSubTomosAre2DStacks": int(value)}
    table = pd.DataFrame(
        {f"rlnCoordinate{axis}": [4.0, 5.0] for axis in "XYZ"}
        | {"rlnImagePixelSize": 4.0, "rlnTomoTiltSeriesPixelSize": 1.0, "rlnTomoName": "TS_1"}
    )
    for names, expected in (("TS_1", "RELION 4"), ("TS_1.tomostar", "WarpTools, 2-D")):
        table["rlnTomoName"] = names
        blocks = {"general": general, "particles": table}
        found = find_dialect(Path("a.star"), blocks, table).name
        assert found.startswith(expected if value == "1" else "RELION 4")
