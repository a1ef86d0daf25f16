"""Class averages, poses and resolutions that commands write, also as RELION reads them."""

import shutil
import subprocess

import mrcfile
import numpy as np
import pandas as pd
import pytest
import starfile
from cli_project import (
    MOLECULES_BOX,
    MOLECULES_VOXEL,
    N_MOLECULES,
    make_molecules,
    molecule,
)

from sksubtomo.cli import main
from sksubtomo.cli._averages import contrast
from sksubtomo.fourier import missing_wedge_mask
from sksubtomo.io import (
    extract_subtomograms,
    read_mrc,
    read_particles,
    read_voxel_size,
    relion_rotations,
    write_mrc,
)

VOXEL, BOX, N = MOLECULES_VOXEL, MOLECULES_BOX, N_MOLECULES
ANGLES = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
ORIGINS = ["rlnOriginZAngst", "rlnOriginYAngst", "rlnOriginXAngst"]
FILES = sorted(
    ["averages.star", *(f"{p}class00{k}.mrc" for k in (1, 2) for p in ("", "half1_", "half2_"))]
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A tomogram of two kinds of molecules off the centers in a table, a third of them labeled."""
    folder = tmp_path_factory.mktemp("averages")
    places, rotations, shifts = make_molecules(folder)
    classes = np.arange(N) % 2 + 1
    code = main([*fit(folder), "--averages", f"{folder}/first"])
    assert code == 0
    return folder, places + shifts, classes, rotations


def fit(folder, *more):
    return [
        *("fit", "--particles", f"{folder}/particles.star", "--tomograms", f"{folder}/tomograms"),
        *("--box-size", f"{BOX}", "--output", f"{folder}/model.sksubtomo", "--quiet", *more),
    ]


def predict(folder, output, *more, particles="particles.star"):
    return main(
        [
            *("predict", "--model", f"{folder}/model.sksubtomo", "--output", f"{folder}/{output}"),
            *("--particles", f"{folder}/{particles}", "--tomograms", f"{folder}/tomograms"),
            *more,
        ]
    )


@pytest.fixture(scope="module")
def predicted(made):
    folder, *_ = made
    assert predict(folder, "out.star", "--quiet") == 0
    return folder


def correlation(a, b):
    return float(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1])


def test_fit_writes_averages_of_the_particles(made):
    folder, *_ = made
    assert sorted(path.name for path in (folder / "first").iterdir()) == FILES
    blocks = starfile.read(folder / "first/averages.star")
    assert list(blocks) == ["model_classes", "fsc_class_1", "fsc_class_2"]
    classes = blocks["model_classes"]
    assert classes["rlnReferenceImage"].tolist() == ["class001.mrc", "class002.mrc"]
    assert classes["sksubtomoNumberOfParticles"].sum() == N
    assert (classes["rlnEstimatedResolution"] < 60).all()
    fsc = blocks["fsc_class_1"]
    assert len(fsc) == BOX // 2 + 1
    np.testing.assert_allclose(
        fsc["rlnResolution"] * BOX * VOXEL, fsc["rlnSpectralIndex"], atol=1e-3
    )
    assert fsc["rlnFourierShellCorrelation"][2] > 0.9
    path = folder / "first/class001.mrc"
    assert read_voxel_size(path) == (VOXEL,) * 3
    with mrcfile.open(path) as file:
        labels = " ".join(file.get_labels())
    assert "class 1, average of" in labels
    assert "Contrast as in the tomograms: particles are dark" in labels


def test_contrast_is_that_of_the_strongest_voxels():
    assert (contrast(molecule(0)), contrast(-molecule(0))) == ("dark", "bright")


def test_poses_bring_references_onto_particles(made, predicted):
    """Centers are found, and orientations differ from the true ones by one rotation a class."""
    _, places, classes, truth = made
    particles = read_particles(predicted / "out.star")
    table = particles.table
    right = table["rlnClassNumber"].to_numpy() == classes
    assert right.mean() > 0.9
    off = np.linalg.norm(particles.coordinates - places, axis=1)
    centers = particles.coordinates
    assert (table["rlnCoordinateZ"] == 12.25).all()  # they stay
    origins = table[ORIGINS].to_numpy()
    np.testing.assert_allclose(
        centers, table[["rlnCoordinateZ", "rlnCoordinateY", "rlnCoordinateX"]] - origins / VOXEL
    )
    found = relion_rotations(table[ANGLES].to_numpy())
    for number in (1, 2):
        rows = np.flatnonzero(right & (classes == number))
        between = found[rows].inv() * truth[rows]
        # From whichever is nearest to most: single ones may be upside down.
        apart = min(np.median((between * one.inv()).magnitude()) for one in between)
        assert np.degrees(apart) < 12
        # A reference may be off the center of its box, by as much for all.
        local = found[rows].inv().apply((centers - places)[rows][:, ::-1])
        assert np.median(np.linalg.norm(local - np.median(local, axis=0), axis=1)) < 0.6
    assert np.median(off) < 1.5


def test_one_search_gives_classes_and_poses(made, monkeypatch):
    from sksubtomo.semi_supervised import MultiReferenceClassifier as Classifier

    folder, *_ = made
    calls, compare = [], Classifier._compare

    def counted(self, measured):
        calls.append(len(measured.coefficients))
        return compare(self, measured)

    monkeypatch.setattr(Classifier, "_compare", counted)
    assert predict(folder, "once.star", "--quiet") == 0
    assert calls == [N]


def test_averages_and_output_are_both_new_or_both_as_they_were(
    made, predicted, monkeypatch, capsys
):
    folder, output = predicted, predicted / "out.star"
    before = {path: path.read_bytes() for path in [output, *(folder / "out_averages").iterdir()]}
    assert predict(folder, "out.star") == 1
    assert "out.star exists" in capsys.readouterr().err
    assert predict(folder, "other.star", "--averages", f"{folder}/out_averages") == 1
    assert "out_averages exists. Choose another name by --averages" in capsys.readouterr().err

    def fail(*_args, **_named):
        raise OSError("disk full")

    monkeypatch.setattr("sksubtomo.io.write_particles", fail)
    assert predict(folder, "out.star", "--overwrite") == 1
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in before} == before
    assert not list(folder.glob(".*"))
    assert predict(folder, "out.star", "--overwrite", "--quiet") == 0
    assert sorted(path.name for path in (folder / "out_averages").iterdir()) == FILES
    assert not list(folder.glob(".*"))


def test_an_interrupt_keeps_averages_and_output(predicted, monkeypatch):
    import os
    import signal

    import sksubtomo.io

    folder, write, calls = predicted, sksubtomo.io.write_mrc, []
    before = {path: path.stat().st_mtime_ns for path in (folder / "out_averages").iterdir()}

    def send(*args, **named):
        calls.append(1)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return write(*args, **named)

    monkeypatch.setattr("sksubtomo.io.write_mrc", send)
    assert predict(folder, "out.star", "--overwrite", "--quiet") == 143
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not list(folder.glob(".*"))


def test_a_folder_of_something_else_is_not_replaced(made, capsys):
    folder, *_ = made
    (folder / "mine").mkdir()
    (folder / "mine/thesis.txt").write_text("years of work")
    assert predict(folder, "a.star", "--averages", f"{folder}/mine", "--overwrite") == 1
    assert "has other files than class averages, such as 'thesis.txt'" in capsys.readouterr().err
    assert (folder / "mine/thesis.txt").exists()
    assert not (folder / "a.star").exists()


def test_averages_can_be_left_out(made):
    folder, *_ = made
    assert predict(folder, "bare.star", "--no-averages", "--quiet") == 0
    assert not (folder / "bare_averages").exists()
    assert set(ORIGINS) <= set(read_particles(folder / "bare.star").table)


def test_dry_runs_write_no_averages(made):
    folder, *_ = made
    before = sorted(folder.rglob("*"))
    assert predict(folder, "dry.star", "--dry-run", "--quiet") == 0
    job = ["--model", f"{folder}/model.sksubtomo", "--o", f"{folder}/job", "--dry-run", "--quiet"]
    particles = ["--in_parts", f"{folder}/particles.star", "--tomograms", f"{folder}/tomograms"]
    assert main(["predict", *job, *particles]) == 0
    assert sorted(folder.rglob("*")) == before


def test_a_second_round_starts_from_the_centers_that_were_found(made, predicted):
    folder = predicted
    first = read_particles(folder / "out.star")
    assert predict(folder, "again.star", "--quiet", particles="out.star") == 0
    again = read_particles(folder / "again.star")
    assert np.median(np.linalg.norm(again.coordinates - first.coordinates, axis=1)) < 0.5
    columns = ["rlnCoordinateX", "rlnCoordinateY", "rlnCoordinateZ"]
    assert (again.table[columns].to_numpy() == first.table[columns].to_numpy()).all()


@pytest.mark.skipif(shutil.which("relion_reconstruct") is None, reason="RELION is not installed")
def test_relion_reconstructs_the_class_averages(made):
    """From our poses and shifts, of subtomograms with a wedge each; RELION 3.1 is in Debian."""
    folder, *_ = made
    particles = read_particles(folder / "particles.star")
    boxes = extract_subtomograms(
        read_mrc(folder / "tomograms/TS_1.mrc").data, particles.coordinates, BOX
    )
    for row, box in enumerate(boxes):
        write_mrc(folder / f"box{row}.mrc", (box - box.mean()) / box.std(), VOXEL)
    half = missing_wedge_mask((BOX,) * 3, 60.0).astype(float)
    # The whole transform, the origin in the middle: that of a symmetric real function.
    wedge = np.fft.irfftn(half, (BOX,) * 3, axes=(0, 1, 2))
    wedge = np.fft.fftshift(np.fft.fftn(wedge).real.round()).astype(np.float32)
    write_mrc(folder / "wedge.mrc", wedge, VOXEL)
    optics = {
        "rlnOpticsGroup": [1],
        "rlnOpticsGroupName": ["opticsGroup1"],
        "rlnImagePixelSize": [VOXEL],
        "rlnImageSize": [BOX],
        "rlnImageDimensionality": [3],
        "rlnVoltage": [300.0],
        "rlnSphericalAberration": [2.7],
        "rlnAmplitudeContrast": [0.07],
    }
    table = particles.table.assign(
        rlnImageName=[f"box{row}.mrc" for row in range(N)],
        rlnCtfImage="wedge.mrc",
        rlnOpticsGroup=1,
    )
    blocks = {"optics": pd.DataFrame(optics), "particles": table}
    starfile.write(blocks, folder / "images.star")
    more = ("--binning", "1", "--quiet")
    assert predict(folder, "relion.star", *more, particles="images.star") == 0
    radii = np.linalg.norm(np.indices((BOX,) * 3) - BOX // 2, axis=0)
    inside = radii < 0.7 * BOX / 2
    for number in (1, 2):
        command = ["relion_reconstruct", "--i", "relion.star", "--o", "map.mrc", "--ctf"]
        run = subprocess.run(
            [*command, "--class", f"{number}"], cwd=folder, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        theirs = read_mrc(folder / "map.mrc").data
        ours = read_mrc(folder / f"relion_averages/class00{number}.mrc").data
        # Beyond the sphere, theirs is not masked.
        assert correlation(theirs[inside], ours[inside]) > 0.98
    select = ["relion_star_handler", "--i", "relion.star", "--o", "some.star"]
    limits = ["--select", "rlnClassNumber", "--minval", "1", "--maxval", "1"]
    run = subprocess.run([*select, *limits], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    some = read_particles(folder / "some.star", binning=1)
    assert (some.class_numbers == 1).all()
