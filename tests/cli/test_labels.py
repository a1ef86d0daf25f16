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
    assert load_model(picks / "model.joblib").classifier.classes_.tolist() == [1, 2]
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
    model = ["--model", f"{picks}/model.joblib", "--output", f"{picks}/out.star"]
    assert main(["predict", *where, *model, "--quiet"]) == 0
    assert set(read_particles(picks / "out.star").class_numbers) <= {2, 100_000}
