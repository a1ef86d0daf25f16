"""Tables of other programs that were given: each is read, or refused by name."""

import re

import numpy as np
import pytest

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import read_particles, write_particles


@pytest.mark.parametrize("name", ["t_double", "t_complex"])
def test_given_dynamo_tables(shared_data, tmp_path, name):
    particles = read_particles(shared_data / f"dynamo/{name}.tbl", shifts="apply")
    first = particles.table.iloc[0]
    expected = [float(first[axis]) + float(first[f"d{axis}"]) - 1 for axis in "zyx"]
    np.testing.assert_allclose(particles.coordinates[0], expected)
    write_particles(tmp_path / "out.tbl", particles)
    again = read_particles(tmp_path / "out.tbl", shifts="apply")
    assert again.table.equals(particles.table)


def test_given_copick_file(shared_data):
    path = shared_data / "star/portal/copick.json"
    particles = read_particles(path, pixel_size_angstrom=10.0)
    assert particles.coordinates[0].tolist() == [3.0, 2.0, 4.0]
    with pytest.raises(FileFormatError, match="pixel_size_angstrom"):
        read_particles(path)


APPLY = {"shifts": "apply"}
ANGSTROM = {"pixel_size_angstrom": 1.0}
NONE, OPEN, SEVERAL = "no particle coordinates", "tomograms={name: path}", "in several blocks"
#: What comes of every file: with which arguments how many particles, or the message.
OUTCOMES = {
    "dynamo/t_complex.tbl": (APPLY, 8742),
    "dynamo/t_double.tbl": (APPLY, 300),
    "real/microtubules/particles.star": ({}, 380),
    "star/chlamy/ps2.star": ({}, 3111),
    "star/edge_cases/TS_01_points.star": ({}, NONE),
    "star/edge_cases/basic_double_quote.star": ({}, NONE),
    "star/edge_cases/basic_single_quote.star": ({}, NONE),
    "star/edge_cases/default_pipeline.star": ({}, NONE),
    "star/edge_cases/empty_loop.star": ({}, NONE),
    "star/edge_cases/loop_double_quote.star": ({}, NONE),
    "star/edge_cases/loop_single_quote.star": ({}, NONE),
    "star/edge_cases/one_loop.star": ({}, 16),
    "star/edge_cases/postprocess.star": ({}, NONE),
    "star/edge_cases/rln3.1_data_style.star": ({}, SEVERAL),
    "star/edge_cases/single_line_end_of_multiblock.star": ({}, SEVERAL),
    "star/edge_cases/single_line_middle_of_multiblock.star": ({}, SEVERAL),
    "star/edge_cases/two_basic_blocks.star": ({}, NONE),
    "star/edge_cases/two_single_line_loop_blocks.star": ({}, NONE),
    "star/portal/copick.json": (ANGSTROM, 4),
    "star/portal/relion_3_star.star": ({**APPLY, "binning": 1}, 6),
    "star/portal/relion_4_star.star": ({**APPLY, **ANGSTROM}, 6),
    "star/portal/stopgap_star.star": (APPLY, 6),
    "star/portal/tomoman_relion_star.star": (APPLY, 6),
    "star/relion5/Class3D/job_class3d/job.star": ({}, NONE),
    "star/relion5/Class3D/job_class3d/run_it025_data.star": ({}, OPEN),
    # Its optics and its tomograms are of different data.
    "star/relion5/Class3D/job_class3d/run_it025_optimisation_set.star": (APPLY, "10.52, but"),
    "star/relion5/Picks/job_picks/job.star": ({}, NONE),
    "star/relion5/Picks/job_picks/optimisation_set.star": ({}, 5),
    "star/relion5/Picks/job_picks/particles.star": ({}, OPEN),
    "star/relion5/Refine3D/job_refine/job.star": ({}, NONE),
    "star/relion5/Refine3D/job_refine/run_it040_optimisation_set.star": (
        {},
        "'Refine3D/job_refine/run_it040_data.star', which is not found",
    ),
    "star/relion5/Refine3D/job_refine/run_it050_data.star": ({}, OPEN),
    "star/relion5/Refine3D/job_refine/run_it050_optimisation_set.star": (APPLY, "10.52, but"),
    "star/relion5/Tomograms/job_tomo/job.star": ({}, NONE),
    "star/relion5/Tomograms/job_tomo/tilt_series/13pf_MT.star": ({}, NONE),
    "star/relion5/Tomograms/job_tomo/tilt_series/14pf_MT.star": ({}, NONE),
    "star/relion5/Tomograms/job_tomo/tomograms.star": ({}, NONE),
}


def test_every_given_table_has_an_outcome(shared_data):
    files = [
        path for name in ("star", "dynamo", "real") for path in (shared_data / name).rglob("*")
    ]
    tables = [path for path in files if path.suffix in (".star", ".json", ".tbl")]
    assert {path.relative_to(shared_data).as_posix() for path in tables} == set(OUTCOMES)


def same(one, other):
    return one.equals(other) if hasattr(one, "equals") else one == other


@pytest.mark.parametrize("name", OUTCOMES)
def test_every_given_table_is_read_or_refused_by_name(shared_data, tmp_path, name):
    path = shared_data / name
    params, expected = OUTCOMES[name]
    if isinstance(expected, str):
        with pytest.raises(FileFormatError, match=re.escape(expected)) as error:
            read_particles(path, **params)
        assert path.name.replace("it025_optimisation_set", "it025_data").replace(
            "it050_optimisation_set", "it050_data"
        ) in str(error.value)
        return
    particles = read_particles(path, **params)
    assert len(particles) == expected
    assert np.isfinite(particles.coordinates).all()
    if path.suffix == ".json":
        return
    out = tmp_path / f"out{path.suffix}"
    write_particles(out, particles)
    if "optimisation_set" in name:
        tomograms = shared_data / "star/relion5/Tomograms/job_tomo/tomograms.star"
        params = {**params, "tomograms": tomograms}
    again = read_particles(out, **params)
    assert list(again.blocks) == list(particles.blocks)
    for block in particles.blocks:
        assert same(again.blocks[block], particles.blocks[block])
    assert again.table.equals(particles.table)
    np.testing.assert_array_equal(again.coordinates, particles.coordinates)
