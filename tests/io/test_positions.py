"""A bead comes to the center of its box through every dialect."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bead_tables import (
    BEAD,
    CENTERED,
    DIALECTS,
    ORIGIN_ANGST,
    OTHER_FILES,
    SHAPE,
    SUBTOMOGRAM,
    VOXEL,
    star,
    xyz,
)

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import extract_subtomograms, read_particles, write_mrc, write_particles
from sksubtomo.io._dialects import DIALECTS as KNOWN_DIALECTS
from sksubtomo.io._dialects import find_dialect
from sksubtomo.io._motl import COLUMNS as MOTL
from sksubtomo.io._motl import write_motl
from sksubtomo.io._tables import read_blocks


@pytest.mark.parametrize("box_size", [9, 10])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_bead_comes_to_the_center_of_its_box(tmp_path, dialect, box_size):
    tomogram = np.zeros(SHAPE, dtype=np.float32)
    tomogram[BEAD] = 1
    write_mrc(tmp_path / "TS_01.mrc", tomogram, VOXEL)
    text, params = DIALECTS[dialect]
    (tmp_path / "a.star").write_text(text)
    if "tomograms" in params:
        params = {**params, "tomograms": {"TS_01": tmp_path / "TS_01.mrc"}}
    particles = read_particles(tmp_path / "a.star", **params)
    # The voxel size in the header is a 32-bit float.
    np.testing.assert_allclose(particles.coordinates, [BEAD] * 2, atol=1e-5)
    box = extract_subtomograms(tomogram, particles.coordinates, box_size)[0]
    assert box[(box_size // 2,) * 3] == 1
    # What is written is what was read.
    write_particles(tmp_path / "b.star", particles)
    again = read_particles(tmp_path / "b.star", **params)
    assert again.table.equals(particles.table)
    np.testing.assert_array_equal(again.subset([1]).coordinates, particles.coordinates[1:])


@pytest.mark.parametrize(
    ("dialect", "left_out", "message"),
    [
        ("RELION 3, shifted", "shifts", r"rlnOriginX.*shifts='apply'"),
        ("STOPGAP, shifted", "shifts", r"x_shift.*shifts='apply'"),
        ("RELION 3.1, RELION 4, M", "pixel_size_angstrom", "as pixel_size_angstrom"),
        ("RELION 5", "tomograms", r"tomograms=\{name: path\}"),
    ],
)
def test_what_is_left_open_is_asked_for(tmp_path, dialect, left_out, message):
    text, params = DIALECTS[dialect]
    (tmp_path / "a.star").write_text(text)
    params = {name: value for name, value in params.items() if name != left_out}
    with pytest.raises(FileFormatError, match=rf"(?s)a.star.*{message}"):
        read_particles(tmp_path / "a.star", **params)


@pytest.mark.parametrize("box_size", [9, 10])
@pytest.mark.parametrize("name", OTHER_FILES)
def test_a_bead_in_tables_other_than_star(tmp_path, name, box_size):
    tomogram = np.zeros(SHAPE, dtype=np.float32)
    tomogram[BEAD] = 1
    text, params = OTHER_FILES[name]
    (tmp_path / name).write_text(text)
    particles = read_particles(tmp_path / name, **params)
    box = extract_subtomograms(tomogram, particles.coordinates, box_size)[1]
    assert box[(box_size // 2,) * 3] == 1
    out = tmp_path / f"b{Path(name).suffix}"
    if name in ("a.json", "a.coords"):
        with pytest.raises(ValueError, match="no (place for )?classes"):
            write_particles(out, particles, class_numbers=[2, 1])
        assert not out.exists()
        write_particles(out, particles)
        again = read_particles(out, **params)
        assert again.table.equals(particles.table)
        return
    write_particles(out, particles, class_numbers=[2, 1])
    again = read_particles(out, **params)
    assert again.class_numbers.tolist() == [2, 1]
    np.testing.assert_array_equal(again.coordinates, particles.coordinates)


def test_every_dialect_has_a_bead(tmp_path):
    found = set()
    for number, (text, params) in enumerate(DIALECTS.values()):
        path = tmp_path / f"{number}.star"
        path.write_text(text)
        found.add(dialect_of(path, "binning" in params))
    for name, (text, _) in OTHER_FILES.items():
        (tmp_path / name).write_text(text)
        found.add(dialect_of(tmp_path / name))
    write_motl(pd.DataFrame([range(20)], columns=list(MOTL)), tmp_path / "a.em")
    found.add(dialect_of(tmp_path / "a.em"))
    assert found == {dialect.name for dialect in KNOWN_DIALECTS}


def dialect_of(path, are_pixels=False):
    blocks = read_blocks(path)
    known = [find_dialect(path, blocks, one, are_pixels=are_pixels) for one in blocks.values()]
    return next(dialect.name for dialect in known if dialect is not None)


@pytest.mark.parametrize("release", ["voxels", "pixels"])
def test_picks_of_pytom_are_whole_voxels(tmp_path, release):
    """By its release, pytom-match-pick has half of the voxels, or of the pixels less one, as 0."""
    pixel, binning = 1.35, VOXEL / 1.35
    less = 0 if release == "voxels" else 1
    centered = [
        pixel * (binning * place - (binning * edge / 2 - less))
        for place, edge in zip(BEAD[::-1], SHAPE[::-1], strict=True)
    ]
    columns = [*CENTERED, "rlnLCCmax", "rlnCutOff", "rlnSearchStd", "rlnTomoTiltSeriesPixelSize"]
    (tmp_path / "a.star").write_text(star(columns, [*centered, 0.3, 0.1, 0.02, VOXEL]))
    edges = [round(binning * edge) for edge in SHAPE[::-1]]
    (tmp_path / "tomograms.star").write_text(
        star(
            [
                *xyz("rlnTomoSize"),
                *("rlnTomoTiltSeriesPixelSize", "rlnTomoTomogramBinning"),
            ],
            [*edges, pixel, binning],
            block="global",
        ).rsplit("\n", 2)[0]
    )
    write_mrc(tmp_path / "TS_01.mrc", np.zeros(SHAPE, dtype=np.float32), VOXEL)
    for tomograms in (tmp_path / "tomograms.star", {"TS_01": tmp_path / "TS_01.mrc"}):
        particles = read_particles(tmp_path / "a.star", tomograms=tomograms)
        assert particles.coordinates.tolist() == [list(BEAD)] * 2
    # RELION goes on with the particles by its own rule: half of the pixels.
    columns, values = [*columns, *ORIGIN_ANGST], [*centered, 0.3, 0.1, 0.02, pixel, 0, 0, 0]
    (tmp_path / "a.star").write_text(star(columns, values))
    with pytest.warns(UserWarning, match="odd edge"):
        particles = read_particles(tmp_path / "a.star", tomograms=tmp_path / "tomograms.star")
    expected = (np.array(centered) / pixel + np.array(edges) / 2)[::-1] / binning
    np.testing.assert_allclose(particles.coordinates[0], expected, atol=1e-9)


def relion_rule(table, edges, pixel, binning):
    """Return centers z, y, x as RELION's ParticleSet::getPosition does, in binned voxels."""
    position = table[CENTERED].to_numpy() / pixel + np.array(edges) / 2
    for row in range(len(table)):
        rot, tilt, psi = np.radians(table[SUBTOMOGRAM].iloc[row])
        (sr, st, sp), (cr, ct, cp) = np.sin([rot, tilt, psi]), np.cos([rot, tilt, psi])
        matrix = np.array(
            [
                [cp * ct * cr - sp * sr, cp * ct * sr + sp * cr, -cp * st],
                [-sp * ct * cr - cp * sr, -sp * ct * sr + cp * cr, sp * st],
                [st * cr, st * sr, ct],
            ]
        )
        position[row] -= matrix @ table[ORIGIN_ANGST].iloc[row].to_numpy() / pixel
    return position[:, ::-1] / binning


def test_given_tables_with_turned_shifts_are_read_by_the_rule_of_relion(shared_data, tmp_path):
    n_tables = 0
    edges, pixel, binning = [4000, 4000, 2000], 1.35, 7.407407
    columns = [
        *("rlnTomoName", *xyz("rlnTomoSize")),
        *("rlnTomoTiltSeriesPixelSize", "rlnTomoTomogramBinning"),
    ]
    for path in sorted((shared_data / "star/relion5").rglob("*_data.star")):
        table = read_blocks(path)["particles"]
        if not {*SUBTOMOGRAM, *ORIGIN_ANGST} <= set(table):
            continue
        rows = [[name, *edges, pixel, binning] for name in table["rlnTomoName"].unique()]
        lines = [" ".join(map(str, row)) for row in rows]
        (tmp_path / "tomograms.star").write_text(
            "\n".join(["data_global\n\nloop_", *(f"_{one}" for one in columns), *lines]) + "\n"
        )
        expected = relion_rule(table, edges, pixel, binning)
        by_table = read_particles(path, shifts="apply", tomograms=tmp_path / "tomograms.star")
        np.testing.assert_allclose(by_table.coordinates, expected, rtol=0, atol=1e-6)
        ignored = read_particles(path, shifts="ignore", tomograms=tmp_path / "tomograms.star")
        assert np.abs(ignored.coordinates - expected).max() > 0.5
        n_tables += 1
    assert n_tables


@pytest.mark.parametrize(
    "params", [{"shifts": "maybe"}, {"binning": 0}, {"pixel_size_angstrom": -1.0}]
)
def test_bad_arguments(tmp_path, params):
    (tmp_path / "a.star").write_text(DIALECTS["STOPGAP"][0])
    (name,) = params
    with pytest.raises(ValueError, match=f"{name}="):
        read_particles(tmp_path / "a.star", **params)
