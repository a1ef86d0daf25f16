"""Damaged tables give particles that are plausible, or an error that names the file."""

import warnings

import numpy as np
import pandas as pd
import pytest
from bead_tables import (
    DIALECTS,
    OTHER_FILES,
    SHAPE,
    VOXEL,
    star,
    xyz,
)

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import read_particles, read_tomogram_map, write_mrc, write_particles
from sksubtomo.io._motl import COLUMNS as MOTL
from sksubtomo.io._motl import write_motl

LONGEST_MESSAGE, LARGEST_CLASS = 800, 100_000
N_MUTATIONS = 1_300
# What a field becomes.
FIELDS = (
    *("nan", "inf", "-inf", "1e308", "-1e308", "1e30", "1e-320", "-1", "0", "0.5", "1", "1e5"),
    *("99999", "1e7", "-1e7", "9" * 30, "9" * 5000, "0x10", "1_000", "\u0661", "abc", "<NA>", ""),
    *('"', "'", '""', "'1'", '"1 2"', "#", "_x", "loop_", "data_", "data_b", "None", "True", ","),
    *("TS_02", "TS_01.mrc", "../TS_01", "\x00", "\ufeff", "\u2028", "\x85", "1,5", "[", "{", "}"),
)
TOMOGRAMS = star(
    [
        *xyz("rlnTomoSize"),
        *("rlnTomoTiltSeriesPixelSize", "rlnTomoTomogramBinning", "rlnTomoReconstructedTomogram"),
    ],
    [*(4 * edge for edge in SHAPE[::-1]), VOXEL / 4, 4, "TS_01.mrc"],
    block="global",
).rsplit("\n", 2)[0]
SET = "data_\n\n_rlnTomoParticlesFile particles.star\n_rlnTomoTomogramsFile tomograms.star\n"
RELION_5 = DIALECTS["RELION 5, shifted"][0]


def cases():
    """Files to be damaged: name, content and how it is read; those beside it are whole."""
    for number, (name, (text, params)) in enumerate(DIALECTS.items()):
        yield name, f"{number}.star", text.encode(), params
    for name, (text, params) in OTHER_FILES.items():
        yield name, name, text.encode(), params
    yield "motive list", "a.em", None, {"shifts": "apply"}
    yield "set", "set.star", SET.encode(), {"shifts": "apply"}
    params = {"shifts": "apply", "table": "particles.star"}
    yield "tomograms", "tomograms.star", TOMOGRAMS.encode(), params


CASES = {case[0]: case[1:] for case in cases()}


@pytest.fixture
def folder(tmp_path):
    """A folder with a tomogram and whole tables."""
    write_mrc(tmp_path / "TS_01.mrc", np.ones(SHAPE, dtype=np.float32), VOXEL)
    (tmp_path / "particles.star").write_text(RELION_5)
    (tmp_path / "tomograms.star").write_text(TOMOGRAMS)
    # What is imported on the way takes memory once.
    read_particles(
        tmp_path / "particles.star", tomograms=tmp_path / "tomograms.star", shifts="apply"
    )
    return tmp_path


def mutate(content, rng, is_text):
    """Return bytes with some changed: bytes, fields, lines or columns."""
    for _ in range(rng.integers(1, 4)):
        if not content:
            break
        place = int(rng.integers(len(content)))
        kind = int(rng.integers(8 if is_text else 3))
        if kind == 0:
            changed = bytearray(content)
            changed[place] = int(rng.integers(256)) if rng.random() < 0.5 else changed[place] ^ 1
            content = bytes(changed)
        elif kind == 1 and rng.random() < 0.3:
            content = content[:place]
        elif kind == 2:
            content = content[:place] + rng.bytes(int(rng.integers(1, 5))) + content[place:]
        elif kind in (3, 4, 5):
            content = _with_field(content, rng)
        elif kind == 6:
            lines = content.split(b"\n")
            here, there = rng.integers(len(lines), size=2)
            if rng.random() < 0.5:
                lines[here], lines[there] = lines[there], lines[here]
            else:
                lines.insert(there, lines[here])
            content = b"\n".join(lines)
        elif kind == 7:
            lines = content.split(b"\n")
            del lines[int(rng.integers(len(lines)))]
            content = b"\n".join(lines)
    return content


def _with_field(content, rng):
    lines = content.split(b"\n")
    row = int(rng.integers(len(lines)))
    separator = b"," if b"," in lines[row] else b" "
    fields = lines[row].split(separator)
    fields[int(rng.integers(len(fields)))] = str(FIELDS[rng.integers(len(FIELDS))]).encode()
    lines[row] = separator.join(fields)
    return b"\n".join(lines)


def check_particles(particles, tomogram_may_be_lost):
    places = particles.coordinates
    assert places.shape == (len(particles), 3)
    # NaN says that a tomogram is lost, which has to say the position.
    lost = np.isnan(places).all(axis=1)
    assert not lost.any() or tomogram_may_be_lost
    assert (np.abs(places[~lost]) < 1e10).all()
    classes = particles.class_numbers
    if classes is not None:
        assert ((classes >= -1) & (classes <= LARGEST_CLASS)).all()
    sizes = {} if particles.voxels is None else particles.voxels.sizes
    for values in sizes.values():
        known = values[~np.isnan(values)]
        assert ((known > 1e-6) & (known < 1e10)).all()


def is_read(path, params, params_again):
    """Tell whether a table is read; what is refused is refused by name and briefly."""
    message = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            particles = read_particles(path, **params)
            check_particles(particles, "tomograms" in params_again)
        except FileFormatError as error:
            message = str(error)
        else:
            check_written(particles, path.with_stem("again"), params_again)
    named = (path.name, "TS_01.mrc", "particles.star", "tomograms.star")
    assert message is None or len(message) <= LONGEST_MESSAGE, message
    assert message is None or any(name in message for name in named), message
    return message is None


def check_written(particles, path, params):
    """Check that what can be written says the same when it is read again."""
    message = path.name
    try:
        write_particles(path, particles, overwrite=True)
    except ValueError as error:
        message = str(error)
        path.unlink(missing_ok=True)
    assert path.name in message
    if path.exists():
        again = read_particles(path, **params)
        np.testing.assert_array_equal(again.coordinates, particles.coordinates)
        assert again.table.equals(particles.table)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_damaged_tables(folder, little_memory, name):
    file, content, params = CASES[name]
    path, params = folder / file, dict(params)
    if content is None:
        write_motl(pd.DataFrame([range(1, 21)] * 2, columns=list(MOTL)), path)
        content = path.read_bytes()
    if params.get("tomograms"):
        params["tomograms"] = {"TS_01": folder / "TS_01.mrc"}
    again = params
    table = folder / params.pop("table", file)
    if name in ("set", "tomograms"):
        again = {**params, "tomograms": folder / "tomograms.star"}
        params = again if name == "tomograms" else params
    rng = np.random.default_rng(0)
    n_read = 0
    for _ in range(N_MUTATIONS):
        path.write_bytes(mutate(content, rng, file != "a.em"))
        n_read += is_read(table, params, again)
    assert 0 < n_read < N_MUTATIONS


@pytest.mark.slow
def test_damaged_maps_of_tomograms(folder, little_memory):
    rng = np.random.default_rng(0)
    for name, text in (("map.txt", "a TS_01.mrc\nb tomograms.star\n"), ("map.star", TOMOGRAMS)):
        path, n_read = folder / name, 0
        for _ in range(N_MUTATIONS):
            path.write_bytes(mutate(text.encode(), rng, True))
            message = name
            try:
                files = read_tomogram_map(path)
            except FileFormatError as error:
                message = str(error)
            else:
                assert all(file.exists() for file in files.values())
                n_read += 1
            assert name in message
            assert len(message) <= LONGEST_MESSAGE
        assert 0 < n_read < N_MUTATIONS


def test_the_mutations_are_as_many_as_the_documents_say():
    assert (len(CASES) + 2) * N_MUTATIONS >= 50_000
