"""Single particles and tomograms that cannot be used: left out, counted, named."""

import bz2
import gzip

import mrcfile
import numpy as np
import pytest

from sksubtomo.cli import main
from sksubtomo.io import make_particle_table, read_mrc, read_particles, write_mrc, write_particles

SHAPE, BOX, N_PARTICLES = (28, 60, 60), 8, 80


@pytest.fixture
def project(tmp_path):
    """One tomogram with eighty particles, the last of which has its center a voxel outside."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid([6, 16], [6, 14, 22, 30, 38, 46], range(6, 56, 7), indexing="ij"))
    centers = grid.reshape(3, -1).T[:N_PARTICLES].astype(float)
    classes = np.arange(N_PARTICLES) % 2 + 1
    tomogram = rng.normal(scale=0.2, size=SHAPE).astype(np.float32)
    for (z, y, x), kind in zip(centers.astype(int), classes, strict=True):
        tomogram[z - 2 : z + 1, y - 2 : y + 1, x - 2 : x + 1] -= 2.0 - 4.0 * (kind - 1)
    (tmp_path / "tomograms").mkdir()
    write_mrc(tmp_path / "tomograms/TS_1.mrc", tomogram, 10.0)
    centers[-1] = [16, 20, 60.6]
    save(tmp_path, centers, classes=classes)
    return tmp_path


def save(project, centers, names="TS_1.tomostar", classes=None, file="particles.star"):
    names = np.broadcast_to(names, len(centers))
    # With the pixel size, the unit of the coordinates is certain.
    columns = {"rlnGroupName": "a b", "rlnPixelSize": 10.0}
    table = make_particle_table(centers, tomogram_names=names, columns=columns)
    classes = np.arange(len(centers)) % 2 + 1 if classes is None else classes
    write_particles(project / file, table, class_numbers=classes, overwrite=True)


def run(project, command, *more, particles="particles.star", tomograms="tomograms"):
    options = ["--particles", f"{project}/{particles}", "--tomograms", f"{project}/{tomograms}"]
    return main([command, *options, "--quiet", *map(str, more)])


def fit(project, *more, **files):
    training = ["--method", "supervised", "--epochs", "8", "--learning-rate", "0.003"]
    training += ["--batch-size", "16", "--no-early-stopping", "--box-size", BOX]
    return run(project, "fit", *training, "--output", project / "model.sksubtomo", *more, **files)


def predict(project, *more, output="out.star", **files):
    where = ["--model", project / "model.sksubtomo", "--output", project / output]
    return run(project, "predict", *where, *more, **files)


def extract(project, *more, output="boxes", **files):
    return run(project, "extract", "--box-size", BOX, "--output", project / output, *more, **files)


NAMED = (
    "particles.star: 1 of 80 particles is left out, center outside the tomogram: row 80 (in "
    "TS_1.tomostar at z, y, x = 16, 20, 60.6)."
)


@pytest.fixture
def fitted(project, capsys):
    assert fit(project) == 3
    assert NAMED in capsys.readouterr().err
    return project


@pytest.mark.parametrize("border", ["noise", "pad", "drop", "error"])
def test_one_center_outside_costs_one_particle(fitted, capsys, border):
    truth = read_particles(fitted / "particles.star").class_numbers
    more = ["--border", border]
    for dry in ([], ["--dry-run"]):
        assert predict(fitted, *more, *dry, output=f"{border}.star") == 3
        assert NAMED in capsys.readouterr().err
        assert extract(fitted, *more, *dry, output=border) == 3
        assert NAMED in capsys.readouterr().err
        assert (fitted / border).exists() == (fitted / f"{border}.star").exists() == (not dry)
        if not dry:
            written = read_particles(fitted / f"{border}.star")
            assert written.class_numbers[:79].tolist() == truth[:79].tolist()
            assert written.class_numbers[79] == 0
            assert written.table["rlnMaxValueProbDistribution"].iloc[79] == 0
            assert len(read_particles(fitted / f"{border}/particles.star")) == 79
            (fitted / f"{border}.star").unlink()
            (fitted / border).rename(fitted / f"{border}_")
    assert fit(fitted, *more, "--dry-run", "--overwrite") == 3
    assert NAMED in capsys.readouterr().err


def test_the_same_in_a_job_of_relion_and_in_processes(fitted, capsys):
    (fitted / "job").mkdir()
    arguments = ["predict", "--in_parts", f"{fitted}/particles.star", "--o", f"{fitted}/job"]
    arguments += ["--model", f"{fitted}/model.sksubtomo", "--tomograms", f"{fitted}/tomograms"]
    assert main([*arguments, "--j", "1", "--quiet"]) == 3
    assert NAMED in capsys.readouterr().err
    assert (fitted / "job/RELION_JOB_EXIT_SUCCESS").exists()
    assert predict(fitted, "--n-jobs", "2", "--j", "1") == 3
    assert NAMED in capsys.readouterr().err
    tables = [read_particles(fitted / name) for name in ("job/particles.star", "out.star")]
    for one in tables:
        assert (one.class_numbers == 0).tolist() == [False] * 79 + [True]
        assert one.table.equals(tables[0].table)


def test_nan_in_boxes_costs_those_particles(fitted, capsys):
    path = fitted / "tomograms/TS_1.mrc"
    centers = read_particles(fitted / "particles.star").coordinates
    with mrcfile.open(path, "r+") as file:
        for row in (4, 60):
            file.data[tuple(centers[row].astype(int))] = np.nan
    # Boxes overlap: those that hold a spoiled voxel are lost.
    lost = [
        row
        for row, center in enumerate(centers[:79])
        if any(np.all(np.abs(centers[bad] - center + 0.5) <= 4) for bad in (4, 60))
    ]
    assert 2 <= len(lost) < 20
    told = f"{len(lost)} of 80 particles are left out, NaN or infinity in the box: rows "
    told += ", ".join(str(row + 1) for row in lost)
    for command in (predict, extract, fit):
        assert command(fitted, "--dry-run", *(["--overwrite"] if command == fit else [])) == 3
        shown = capsys.readouterr().err
        assert told in shown
        assert NAMED in shown
    assert predict(fitted) == 3
    written = read_particles(fitted / "out.star").class_numbers
    assert np.flatnonzero(written == 0).tolist() == [*lost, 79]
    assert extract(fitted) == 3
    listed = read_particles(fitted / "boxes/particles.star")
    assert len(listed) == 79 - len(lost)
    assert all(np.isfinite(read_mrc(name).data).all() for name in listed.table["rlnImageName"])


def test_a_run_fails_when_most_particles_do(fitted, capsys):
    with mrcfile.open(fitted / "tomograms/TS_1.mrc", "r+") as file:
        file.data[16, 20, 20] = np.nan
    for n_bad, code in ((40, 3), (41, 1)):
        centers = [[16.0, 20, 20]] * n_bad + [[6.0, 46, 48]] * (N_PARTICLES - n_bad)
        save(fitted, centers, file="spoiled.star")
        for command, output in ((predict, "out.star"), (extract, "boxes")):
            name = f"{n_bad}_{output}"
            for more in (["--dry-run"], []):
                assert command(fitted, *more, particles="spoiled.star", output=name) == code
                shown = capsys.readouterr().err
                assert f"{n_bad} of 80 particles are left out, NaN or infinity" in shown
                assert "rows 1, 2, 3" in shown
                assert f"and {n_bad - 20} more" in shown
                assert ("41 of 80 particles cannot be used, which is most" in shown) == (code == 1)
            assert (fitted / name).exists() == (code == 3)
        more = ["--overwrite", "--dry-run"]
        assert fit(fitted, *more, particles="spoiled.star") == code


def test_a_box_larger_than_the_tomogram(project, capsys):
    for border in ("noise", "drop"):
        options = ["--box-size", "29", "--border", border, "--output", f"{project}/x"]
        assert run(project, "extract", *options) == 1
        assert "box of 29 voxels is larger than the tomogram of (28, 60, 60)" in (
            capsys.readouterr().err
        )


def test_borders_are_told_only_where_they_are_an_error(project, capsys):
    centers = read_particles(project / "particles.star").coordinates
    centers[0], centers[79] = [1, 8, 8], [16, 20, 20]
    save(project, centers)
    assert extract(project, "--border", "drop", output="a") == 0
    assert capsys.readouterr().err == ""
    assert extract(project, "--border", "error", output="b") == 3
    assert "1 of 80 particles is left out, box beyond the tomogram: row 1" in (
        capsys.readouterr().err
    )
    for name in ("a", "b"):
        assert len(read_particles(project / name / "particles.star")) == 79


def test_labels_of_what_is_left_out_are_counted(project, capsys):
    assert fit(project, "--dry-run") == 3
    assert "Left out with their particles: 1 label." in capsys.readouterr().err


def two_tomograms(project):
    particles = read_particles(project / "particles.star")
    names = np.repeat(["TS_1.tomostar", "TS_2"], 40)
    centers = particles.coordinates
    centers[79] = [16, 20, 20]
    save(project, centers, names=names)
    content = (project / "tomograms/TS_1.mrc").read_bytes()
    (project / "tomograms/TS_2.mrc").write_bytes(content)
    return content


def test_a_tomogram_fails_when_its_file_does(project, capsys):
    content = two_tomograms(project)
    assert fit(project) == 0
    assert capsys.readouterr().err == ""
    (project / "tomograms/TS_2.mrc").write_bytes(content[:9000])
    for command in (fit, predict, extract):
        more = ["--overwrite"] if command == fit else []
        for dry in (["--dry-run"], []):
            assert command(project, *more, *dry) == 3
            shown = capsys.readouterr().err
            assert "TS_2 is left out, with its 40 particles: " in shown
            assert "TS_2.mrc cannot be read as an MRC file" in shown
            assert "1 of 2 tomograms was left out, with 40 of 80 particles: TS_2" in shown
    assert (read_particles(project / "out.star").class_numbers[40:] == 0).all()


def test_an_absent_tomogram_costs_its_own_particles(project, capsys):
    two_tomograms(project)
    assert fit(project) == 0
    (project / "tomograms/TS_2.mrc").unlink()
    for command in (fit, predict, extract):
        more = ["--overwrite"] if command == fit else []
        for dry in (["--dry-run"], []):
            assert command(project, *more, *dry) == 3
            shown = capsys.readouterr().err
            assert "TS_2 is left out, with its 40 particles: " in shown
            assert "1 tomogram without a file: 'TS_2'. Given is 'TS_1.mrc'." in shown
            assert "--tomogram-map" in shown
            assert ("Left out with their particles: 40 labels" in shown) == (command == fit)
    written = read_particles(project / "out.star").class_numbers
    assert (written[:40] > 0).all()
    assert (written[40:] == 0).all()
    names = read_particles(project / "boxes/particles.star").tomogram_names
    assert names.tolist() == ["TS_1.tomostar"] * 40
    # Where most are absent, something else is wrong.
    names = np.repeat(["TS_1.tomostar", "TS_2"], [39, 41])
    save(project, read_particles(project / "particles.star").coordinates, names=names)
    for command in (fit, predict, extract):
        more = ["--overwrite"] if command == fit else []
        more += ["--dry-run"] if command != extract else []
        assert command(project, *more, **({"output": "x"} if command == extract else {})) == 1
        assert "particles.star: 1 tomogram without a file: 'TS_2'" in capsys.readouterr().err


@pytest.mark.parametrize("n_other", [20, 40])
def test_a_tomogram_of_another_voxel_size_costs_its_own_particles(project, capsys, n_other):
    two_tomograms(project)
    names = np.repeat(["TS_1", "TS_2"], [N_PARTICLES - n_other, n_other])
    centers = read_particles(project / "particles.star").coordinates
    table = make_particle_table(centers, tomogram_names=names)
    classes = np.arange(N_PARTICLES) % 2 + 1
    write_particles(project / "particles.star", table, class_numbers=classes, overwrite=True)
    voxels = read_mrc(project / "tomograms/TS_2.mrc").data
    write_mrc(project / "tomograms/TS_2.mrc", voxels, 12.0, overwrite=True)
    assert fit(project) == 3
    shown = capsys.readouterr().err
    assert f"TS_2 is left out, with its {n_other} particles: " in shown
    assert "TS_2.mrc has voxels of 12 A, but 10 A are expected" in shown
    assert predict(project) == 3
    written = read_particles(project / "out.star").class_numbers
    assert (written == 0).tolist() == (names == "TS_2").tolist()


def test_the_voxel_size_of_a_model_is_that_of_most_particles(project, capsys):
    two_tomograms(project)
    names = np.repeat(["TS_1", "TS_2"], [20, 60])
    centers = read_particles(project / "particles.star").coordinates
    table = make_particle_table(centers, tomogram_names=names)
    classes = np.arange(N_PARTICLES) % 2 + 1
    write_particles(project / "particles.star", table, class_numbers=classes, overwrite=True)
    voxels = read_mrc(project / "tomograms/TS_1.mrc").data
    write_mrc(project / "tomograms/TS_1.mrc", voxels, 12.0, overwrite=True)
    assert fit(project, "--dry-run") == 3
    assert "TS_1.mrc has voxels of 12 A, but 10 A are expected" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".gz", ".bz2"])
def test_damaged_compressed_tomograms_are_named(project, capsys, suffix):
    content = two_tomograms(project)
    compress = gzip.compress if suffix == ".gz" else bz2.compress
    path = project / f"tomograms/TS_2.mrc{suffix}"
    (project / "tomograms/TS_2.mrc").unlink()
    path.write_bytes(compress(content))
    assert extract(project, output="whole") == 0
    assert len(read_particles(project / "whole/particles.star")) == 80
    path.write_bytes(compress(content)[:-3000])
    assert extract(project, output="part") == 3
    assert f"TS_2.mrc{suffix} cannot be read as an MRC file" in capsys.readouterr().err
    assert len(read_particles(project / "part/particles.star")) == 40


def test_a_fault_of_the_labels_is_the_labels(project, capsys):
    two_tomograms(project)
    save(project, [[6.0, 6, 6]], names="TS_9", file="labels.star")
    labels = ["--labels", f"{project}/labels.star"]
    assert fit(project, *labels) == 1
    shown = capsys.readouterr().err
    assert "labels.star: 1 tomogram without a file: 'TS_9'" in shown
    assert "particles.star" not in shown
    centers = read_particles(project / "particles.star").coordinates[[50]]
    centers = np.append(centers, [[20, 20, 20]], axis=0)
    save(project, centers, names="TS_2.tomostar", file="labels.star")
    assert fit(project, *labels, "--label-tolerance", "0.5", "--dry-run") == 1
    assert "labels.star: 1 of 2 labels has no particle" in capsys.readouterr().err
    # Two tables may spell a name in two ways.
    save(project, [[6.0, 6, 6], [6, 6, 13]], names="TS_1", file="labels.star")
    assert fit(project, *labels, "--dry-run") == 0


def test_messages_are_short(project, capsys):
    write_mrc(project / "big.star", np.zeros((40, 200, 200), np.float32), 10.0)
    assert extract(project, particles="big.star") == 1
    shown = capsys.readouterr().err
    assert "big.star is an MRC volume, not a table" in shown
    assert len(shown) < 500
    save(project, [[6.0, 6, 6]] * 80, names=[f"{'name' * 50}{row}" for row in range(80)])
    assert extract(project) == 1
    shown = capsys.readouterr().err
    assert "80 tomograms without a file" in shown
    assert len(shown) < 1000
    (project / "broken.star").write_text("data_\n\nloop_\n_a\n_b\n" + "word " * 10**5)
    assert extract(project, particles="broken.star") == 1
    assert len(capsys.readouterr().err) < 1000
