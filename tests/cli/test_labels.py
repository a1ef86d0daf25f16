import re

import numpy as np
import pytest

from sksubtomo.cli import main
from sksubtomo.cli._model import load_model
from sksubtomo.io import make_particle_table, read_particles, write_particles


@pytest.fixture
def picks(project):
    """Picks of TS_1 without classes, and the same points by class, as viewers write them."""
    truth = read_particles(project / "particles.star").subset(range(18))
    write_particles(
        project / "picks.star",
        make_particle_table(truth.coordinates, tomogram_names=truth.tomogram_names),
    )
    by_class = [truth.coordinates[truth.class_numbers == number] for number in (1, 2)]
    rows = [f"{number},{z},{y},{x}" for number, (z, y, x) in enumerate(by_class[0].tolist())]
    (project / "one.csv").write_text("index,axis-0,axis-1,axis-2\n" + "\n".join(rows) + "\n")
    rows = [f"{x} {y} {z}" for z, y, x in by_class[1].tolist()]
    (project / "two.coords").write_text("\n".join(rows) + "\n")
    return project


def fit(project, fit_arguments, *labels, particles="picks.star"):
    arguments = [one.replace("particles.star", particles) for one in fit_arguments]
    arguments[arguments.index("--tomograms") + 1] += "/TS_1.mrc"
    return main([*arguments, "--labels", *labels])


def test_points_of_viewers_are_labels(picks, fit_arguments, caplog):
    given = [f"1={picks}/one.csv", f"2={picks}/two.coords"]
    assert fit(picks, fit_arguments, *given) == 0
    assert load_model(picks / "model.sksubtomo").classifier.classes_.tolist() == [1, 2]
    assert "class 1: 9, class 2: 9" in caplog.text


def test_points_of_viewers_are_voxels_whatever_particles_are(picks, fit_arguments, caplog):
    particles = read_particles(picks / "picks.star")
    unbinned = make_particle_table(
        4 * particles.coordinates,
        tomogram_names=particles.tomogram_names,
        columns={"rlnTomoTiltSeriesPixelSize": 2.5},
    )
    write_particles(picks / "unbinned.star", unbinned)
    given = [f"1={picks}/one.csv", f"2={picks}/two.coords"]
    more = ["--binning", "4", "--pixel-size", "2.5", "--dry-run"]
    assert fit(picks, fit_arguments, *given, *more, particles="unbinned.star") == 0
    assert "class 1: 9, class 2: 9" in caplog.text


@pytest.mark.parametrize(("name", "number"), [("one.csv", 1), ("two.coords", 2)])
def test_points_of_viewers_are_picks(picks, name, number):
    truth = read_particles(picks / "particles.star").subset(range(18))
    expected = truth.coordinates[truth.class_numbers == number]
    assert np.array_equal(read_particles(picks / name).coordinates, expected)
    extract = [
        *("extract", "--particles", f"{picks}/{name}", "--box-size", "8", "--quiet"),
        *("--tomograms", f"{picks}/tomograms/TS_1.mrc", "--output", f"{picks}/boxes"),
    ]
    if name == "two.coords":
        # TomoTwin's files have no place for the files of boxes.
        assert main([*extract, "--dry-run"]) == 0
        return
    assert main(extract) == 0
    assert len(list((picks / "boxes").rglob("*.mrc"))) == len(expected)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["one.csv"], "no class numbers. Add a column rlnClassNumber, or .* --labels 1="),
        (["0=one.csv"], "classes are numbered from 1"),
        (["1=two.coords", "100001=one.csv"], "100001=.*one.csv: classes are .* 100000 at most"),
        ([f"{'9' * 30}=one.csv"], "classes are numbered from 1, to 100000 at most"),
        ([f"{'9' * 5000}=one.csv"], "classes are numbered from 1, to 100000 at most"),
        (["1=none.csv"], "no file .*none.csv"),
        (["1=one.csv"], "at least two classes"),
    ],
)
def test_labels_without_classes_are_asked_for(picks, fit_arguments, capsys, labels, message):
    given = [re.sub(r"(\w+\.(?:csv|coords))", rf"{picks}/\1", label) for label in labels]
    assert fit(picks, fit_arguments, *given) == 1
    assert re.search(message, capsys.readouterr().err)


def test_the_largest_class_is_one_that_can_be_written(picks, fit_arguments):
    given = [f"100000={picks}/one.csv", f"2={picks}/two.coords"]
    assert fit(picks, [*fit_arguments, "--epochs", "1"], *given) == 0
    where = ["--particles", f"{picks}/picks.star", "--tomograms", f"{picks}/tomograms/TS_1.mrc"]
    model = ["--model", f"{picks}/model.sksubtomo", "--output", f"{picks}/out.star"]
    assert main(["predict", *where, *model, "--quiet"]) == 0
    assert set(read_particles(picks / "out.star").class_numbers) <= {2, 100_000}


@pytest.fixture
def unbinned(picks):
    """Picks of TS_1 in pixels of a fourth of a voxel, of which the table says nothing."""
    particles = read_particles(picks / "picks.star")
    made = make_particle_table(4 * particles.coordinates, tomogram_names=particles.tomogram_names)
    write_particles(picks / "unbinned.star", made)
    return picks


def labels_table(picks, scale=1, name="labels.star", **columns):
    truth = read_particles(picks / "particles.star").subset(range(18))
    made = make_particle_table(
        scale * truth.coordinates, tomogram_names=truth.tomogram_names, columns=columns
    )
    write_particles(picks / name, made, class_numbers=truth.class_numbers, overwrite=True)
    return f"{picks}/{name}"


@pytest.mark.parametrize(("scale", "binning"), [(1, "1"), (4, "4"), (2, "2")])
def test_labels_may_count_in_other_pixels_than_the_particles(
    unbinned, fit_arguments, capsys, scale, binning
):
    labels, more = [labels_table(unbinned, scale)], ["--binning", "4", "--dry-run"]
    particles = {"particles": "unbinned.star"}
    # It does not say which, and both may be meant, unless one is outside.
    assert fit(unbinned, fit_arguments, *labels, *more, **particles) == 1
    shown = capsys.readouterr().err
    if scale == 1:
        assert "labels.star does not say in which pixels it counts" in shown
        assert "Give --labels-binning: 4 if it counts in the same pixels, 1 if in voxels" in shown
    else:
        assert "labels.star has 1" in shown
        assert "outside their tomograms" in shown
        assert "Here, that is said by --labels-binning." in shown
    more += ["--labels-binning", binning]
    assert fit(unbinned, fit_arguments, *labels, *more, **particles) == 0


def test_labels_that_say_it_themselves_are_not_asked_about(unbinned, fit_arguments, caplog):
    more = ["--binning", "4", "--dry-run"]
    # In voxels, by the size of the pixels; in pixels that Warp's tables state.
    warp = {"rlnPixelSize": 5.0, "rlnDetectorPixelSize": 5.0}
    tables = [
        labels_table(unbinned, rlnPixelSize=10.0),
        labels_table(unbinned, 2, rlnMicrographName="TS_1.tomostar", **warp),
    ]
    for table in tables[:1]:
        assert fit(unbinned, fit_arguments, table, *more, particles="unbinned.star") == 0
    text = (unbinned / "labels.star").read_text().replace("TS_1\t", "TS_1.tomostar\t")
    (unbinned / "labels.star").write_text(text)
    assert fit(unbinned, fit_arguments, tables[1], *more, particles="unbinned.star") == 0
    assert caplog.text.count("class 1: 9, class 2: 9") == 2


def test_shifts_of_the_particles_are_none_of_the_labels(picks, fit_arguments, capsys):
    shifted = {"rlnOriginX": 2.0, "rlnOriginY": 0.0, "rlnOriginZ": 0.0}
    particles = read_particles(picks / "picks.star")
    places = particles.coordinates + np.array([0, 0, 2])
    made = make_particle_table(places, tomogram_names=particles.tomogram_names, columns=shifted)
    write_particles(picks / "shifted.star", made)
    more = ["--shifts", "apply", "--label-tolerance", "0.5", "--dry-run"]
    # Labels without shifts, and labels with shifts of their own, which are asked about.
    table = labels_table(picks)
    assert fit(picks, fit_arguments, table, *more, particles="shifted.star") == 0
    table = labels_table(picks, **shifted)
    assert fit(picks, fit_arguments, table, *more, particles="shifted.star") == 1
    shown = capsys.readouterr().err
    assert "labels.star shifts the particles' centers by rlnOriginZ" in shown
    assert "Here, that is said by --labels-shifts." in shown
    for what, code in (("ignore", 0), ("apply", 1)):
        given = [table, *more, "--labels-shifts", what]
        assert fit(picks, fit_arguments, *given, particles="shifted.star") == code


def test_labels_in_angstrom_ask_for_their_own_pixel_size(picks, fit_arguments, capsys):
    table = labels_table(picks, **{f"rlnOrigin{axis}Angst": 10.0 for axis in "XYZ"})
    tomogram = picks / "tomograms/TS_1.mrc"
    content = bytearray(tomogram.read_bytes())
    content[28:40] = bytes(12)
    tomogram.write_bytes(content)
    more = ["--pixel-size", "10", "--labels-shifts", "apply", "--dry-run"]
    assert fit(picks, fit_arguments, table, *more) == 1
    assert "Here, that is said by --labels-pixel-size." in capsys.readouterr().err
    assert fit(picks, fit_arguments, table, *more, "--labels-pixel-size", "10") == 0


def test_labels_of_an_absent_tomogram_are_left_out(picks, fit_arguments, capsys):
    truth = read_particles(picks / "particles.star").subset(range(18))
    names = ["TS_1"] * 16 + ["TS_9"] * 2
    made = make_particle_table(truth.coordinates, tomogram_names=names)
    write_particles(picks / "labels.star", made, class_numbers=truth.class_numbers)
    fit_arguments.remove("--quiet")
    assert fit(picks, fit_arguments, f"{picks}/labels.star", "--dry-run") == 0
    shown = capsys.readouterr().err
    assert "labels.star: left out with their tomograms: 2 labels." in shown
    assert "class 1: 8, class 2: 8" in shown


def test_the_truth_has_conventions_of_its_own(unbinned, capsys):
    command = ["evaluate", "--truth", f"{unbinned}/particles.star", "--voxel-size", "10"]
    command += ["--predicted", f"{unbinned}/unbinned.star", "--tolerance-angstrom", "10"]
    command += ["--binning", "4", "--any-class"]
    assert main(command) == 1
    assert "particles.star does not say in which pixels" in capsys.readouterr().err
    assert main([*command, "--truth-binning", "1"]) == 0
    assert capsys.readouterr().out.split()[-3:-1] == ["1.000", "0.500"]


def test_labels_of_a_tomogram_that_cannot_be_read_are_left_out(project, fit_arguments, capsys):
    """Tables in angstrom, of which it would have to say the voxel size."""
    truth = read_particles(project / "particles.star")
    columns = ["rlnTomoName", *(f"wrpCoordinate{axis}1" for axis in "XYZ"), "rlnClassNumber"]
    rows = [
        " ".join(map(str, [name, *row, number]))
        for name, row, number in zip(
            truth.tomogram_names,
            10 * truth.coordinates[:, ::-1],
            truth.class_numbers,
            strict=True,
        )
    ]
    text = "data_\nloop_\n" + "".join(f"_{one}\n" for one in columns) + "\n".join(rows) + "\n"
    (project / "particles.star").write_text(text)
    (project / "labels.star").write_text(text)
    (project / "tomograms/TS_2.mrc").write_bytes(b"x" * 2000)
    fit_arguments.remove("--quiet")
    for labels in ([], ["--labels", f"{project}/labels.star"]):
        assert main([*fit_arguments, *labels, "--dry-run"]) == 3
        shown = capsys.readouterr().err
        assert "TS_2 is left out, with its 18 particles" in shown
        assert "eft out with their " in shown
        assert "18 labels" in shown
        assert "class 1: 9, class 2: 9" in shown
