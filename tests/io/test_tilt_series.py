"""Tilts of series from the tables of RELION and Warp."""

import numpy as np
import pytest

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import read_tilt_series

pytest.importorskip("pandas")

TILTS = """
data_TS_01

loop_
_rlnTomoNominalStageTiltAngle #1
_rlnMicrographPreExposure #2
_rlnDefocusU #3
_rlnDefocusV #4
0.0 0.0 30000 32000
-3.0 3.1 31000 33000
41.5 6.2 30500 32500
"""


def test_relion_5_names_a_table_for_each(tmp_path):
    (tmp_path / "tilt_series").mkdir()
    (tmp_path / "tilt_series/TS_01.star").write_text(TILTS)
    (tmp_path / "tomograms.star").write_text(
        "data_global\n\nloop_\n_rlnTomoName #1\n_rlnTomoTiltSeriesStarFile #2\n"
        "TS_01 tilt_series/TS_01.star\n"
    )
    series = read_tilt_series(tmp_path / "tomograms.star")
    assert list(series) == ["TS_01"]
    found = series["TS_01"]
    assert found.tilts_deg.tolist() == [0.0, -3.0, 41.5]
    assert found.tilt_range_deg == (-3.0, 41.5)
    assert found.exposures.tolist() == [0.0, 3.1, 6.2]
    assert found.defocus_um == pytest.approx(3.15)


def test_relion_4_has_blocks(tmp_path):
    path = tmp_path / "tomograms.star"
    path.write_text(
        "data_global\n\nloop_\n_rlnTomoName #1\nTS_1\n\n"
        "data_TS_1\n\nloop_\n_rlnTomoYTilt #1\n-60\n60\n"
    )
    found = read_tilt_series(path)["TS_1"]
    assert found.tilt_range_deg == (-60.0, 60.0)
    assert found.exposures is None is found.defocus_um


def test_warp_has_a_file_for_each(tmp_path):
    path = tmp_path / "TS_7.tomostar"
    path.write_text("data_\n\nloop_\n_wrpAngleTilt #1\n_wrpDose #2\n-40 3\n50 6\n")
    found = read_tilt_series(path)
    np.testing.assert_array_equal(found["TS_7"].exposures, [3, 6])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data_x\n\nloop_\n_rlnDefocusU #1\n3\n", "neither tomograms"),
        ("data_x\n\nloop_\n_rlnTomoName #1\nTS_1\n", "has 0 tables of tilts"),
        ("data_x\n\nloop_\n_rlnTomoYTilt #1\n120\n", "between -90 and 90"),
        ("data_x\n\nloop_\n_rlnTomoYTilt #1\nabc\n", "no numbers"),
    ],
)
def test_other_tables_are_refused(tmp_path, text, message):
    path = tmp_path / "other.star"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=message):
        read_tilt_series(path)
    with pytest.raises(FileNotFoundError):
        read_tilt_series(tmp_path / "none.star")
