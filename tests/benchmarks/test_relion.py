"""The comparison with RELION: files, classes and rows, with a program that stands in for it."""

import re
import stat
import sys

import numpy as np
import pytest
import starfile

from sksubtomo.io import read_mrc
from sksubtomo.simulate import Microscope

FAKE = """\
#!{python}
import sys
from pathlib import Path

arguments = sys.argv[1:]
if arguments == ["--version"]:
    print("RELION version: 3.1.3")
    raise SystemExit
values = dict(zip(arguments, arguments[1:]))
if values["--iter"] == "13":
    raise SystemExit("ERROR: out of luck")
lines = Path(values["--i"]).read_text().splitlines()
names = [word for line in lines for word in line.split() if word.startswith("subtomograms/")]
rows = [f"{{name}} {{number % 6 + 1}}" for number, name in enumerate(names)]
header = ["data_particles", "", "loop_", "_rlnImageName", "_rlnClassNumber"]
for number in range(int(values["--iter"]) + 1):
    path = Path(f"{{values['--o']}}_it{{number:03d}}_data.star")
    path.write_text("\\n".join([*header, *reversed(rows), ""]))
"""


@pytest.fixture
def job(benchmark):
    return benchmark("_relion_job")


@pytest.fixture
def program(tmp_path, monkeypatch):
    folder = tmp_path / "programs"
    folder.mkdir()
    path = folder / "relion_refine"
    path.write_text(FAKE.format(python=sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))
    return path


def test_without_relion_it_says_what_to_install(job, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="Install RELION"):
        job.find_relion()


def test_the_version_is_found(job, program):
    assert job.find_relion() == (str(program), "3.1.3")


def test_a_program_that_does_not_start(job, program):
    program.write_text("#!/bin/sh\necho no library >&2\nexit 1\n")
    with pytest.raises(SystemExit, match="no library"):
        job.find_relion()


def test_normalization_is_that_of_the_corners(job):
    X = np.random.default_rng(0).normal(3.0, 2.0, (2, 8, 8, 8))
    X[:, 3:6, 3:6, 3:6] += 100
    found, spread = job.normalized(X, 3)
    distance = np.linalg.norm(np.indices((8, 8, 8)).T - 4, axis=-1).T
    np.testing.assert_allclose(found[:, distance > 3].mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(found[:, distance > 3].std(axis=1), 1)
    np.testing.assert_allclose(X.std(axis=(1, 2, 3)) / found.std(axis=(1, 2, 3)), spread)


def test_files_of_a_job(job, tmp_path):
    X = np.random.default_rng(0).normal(size=(3, 8, 8, 8))
    transfer = np.ones((8, 8, 5))
    particles, references = job.write_job(tmp_path, X, transfer, X[:2], 12.5, Microscope())
    table = starfile.read(particles)
    assert table["optics"]["rlnImagePixelSize"].tolist() == [12.5]
    assert table["optics"]["rlnImageDimensionality"].tolist() == [3]
    stored = [read_mrc(tmp_path / name) for name in table["particles"]["rlnImageName"]]
    np.testing.assert_array_equal([one.data for one in stored], X.astype(np.float32))
    assert stored[0].voxel_size_angstrom == pytest.approx((12.5,) * 3)
    names = table["particles"]["rlnCtfImage"].unique()
    # RELION reads half transforms as they are: as many columns as rfftn has.
    assert read_mrc(tmp_path / names[0]).data.shape == (8, 8, 5)
    assert len(starfile.read(references, always_dict=True)[""]["rlnReferenceImage"]) == 2


def test_classes_are_named_as_fits_best(job):
    y, found = np.array([0, 0, 1, 1, 2]), np.array([2, 2, 0, 0, 0])
    assert job.matched_accuracy(y, found, 3) == pytest.approx(4 / 5)
    assert job.matched_accuracy(y, y, 3) == 1


@pytest.fixture
def relion(benchmark, program, shared_data, monkeypatch):
    monkeypatch.setenv("SKSUBTOMO_SHARED_DATA", str(shared_data))
    return benchmark("relion")


def test_rows_with_a_program_that_stands_in(relion, tmp_path, monkeypatch, capsys, rows_of):
    arguments = ["--n-train", "120", "--n-iter", "2", "--methods", "class3d"]
    options = relion.parse_arguments([*arguments, "--results", str(tmp_path / "relion.csv")])
    relion.run(options)
    assert "hard 0 class3d" in capsys.readouterr().out
    (row,) = rows_of(options)
    assert row["version"] == "3.1.3"
    assert float(row["accuracy"]) <= float(row["matched_accuracy"]) < 0.5
    for part in ("--iter 2", "--strict_highres_exp 43.1", "--ini_high 60", "--j 1", "--ctf"):
        assert part in row["settings"]
    monkeypatch.setattr(relion, "run_one", lambda *_: pytest.fail("computed twice"))
    relion.run(options)
    text = relion.render(options.results)
    assert re.search(r"hard \| 120 \| RELION Class3D, true maps \(1\)", text)
    assert "RELION 3.1.3" in text


def test_a_failure_of_relion_is_told(relion, tmp_path):
    arguments = ["--n-train", "120", "--n-iter", "13", "--methods", "class3d"]
    options = relion.parse_arguments([*arguments, "--results", str(tmp_path / "relion.csv")])
    with pytest.raises(SystemExit, match="out of luck"):
        relion.run(options)
    assert not options.results.exists()


def test_maps_are_centered_in_the_boxes(relion):
    small, large = np.zeros((21,) * 3), np.zeros((46,) * 3)
    small[10, 11, 10] = large[23, 24, 23] = 1
    for density in (small, large):
        box = relion._in_box(density)
        assert box.shape == (28, 28, 28)
        assert np.argwhere(box).tolist() == [[14, 15, 14]]
