import numpy as np
import pytest

from sksubtomo.cli import main
from sksubtomo.cli._simulate import parse_classes
from sksubtomo.datasets import make_tomogram
from sksubtomo.io import read_mrc, read_particles

ARGUMENTS = [
    *("simulate", "--classes", "groel", "ubid", "--n-tomograms", "2", "--n-particles", "4"),
    *("--shape", "32", "64", "64", "--voxel-size", "16", "--box-size", "20", "--quiet"),
]


def test_simulated_tomograms_are_those_of_the_function(tmp_path):
    out = tmp_path / "simulated"
    assert main([*ARGUMENTS, "--output", str(out)]) == 0
    particles = read_particles(out / "particles.star")
    assert len(particles) == 8
    expected = make_tomogram(
        ["groel", "ubid"],
        n_particles=4,
        shape=(32, 64, 64),
        voxel_size_angstrom=16.0,
        box_size=20,
        random_state=1,
    )
    second = particles.subset(particles.tomogram_names == "TS_002")
    np.testing.assert_allclose(second.coordinates, expected.coordinates)
    assert second.class_numbers.tolist() == (expected.y + 1).tolist()
    tomogram = read_mrc(out / "TS_002/TS_002.mrc")
    assert np.array_equal(tomogram.data, expected.tomogram)
    assert tomogram.voxel_size_angstrom == (16.0, 16.0, 16.0)
    assert main([*ARGUMENTS, "--output", str(out)]) == 1


def test_dry_run_and_bad_classes(tmp_path, capsys):
    assert main([*ARGUMENTS, "--output", f"{tmp_path}/a", "--dry-run"]) == 0
    arguments = ["nonsense" if a == "ubid" else a for a in ARGUMENTS]
    assert main([*arguments, "--output", f"{tmp_path}/a"]) == 1
    assert "no complex 'nonsense'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_classes_by_name_and_file():
    assert parse_classes(["groel", "mine=a.pdb"]) == {"groel": "groel", "mine": "a.pdb"}
    with pytest.raises(ValueError, match="twice"):
        parse_classes(["groel", "groel=a.pdb"])
