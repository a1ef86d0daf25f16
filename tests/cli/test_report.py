"""Reports that commands write."""

import numpy as np
import pytest
from report_pages import checked

from sksubtomo.cli import main
from sksubtomo.io import read_particles, write_particles

pytest.importorskip("matplotlib")


@pytest.fixture
def fitted(project, fit_arguments):
    """A model fitted to half of the labels, and its report."""
    particles = read_particles(project / "particles.star")
    known = np.where(np.arange(36) < 18, particles.class_numbers, 0)
    particles.table["rlnAutopickFigureOfMerit"] = np.linspace(0, 1, 36)
    write_particles(project / "some.star", particles, class_numbers=known)
    arguments = [a.replace("particles.star", "some.star") for a in fit_arguments]
    assert main([*arguments, "--report", f"{project}/fit.html"]) == 0
    return project


def command(name, project, *more, particles="some.star"):
    return main(
        [
            *(name, "--model", f"{project}/model.sksubtomo", "--quiet"),
            *("--particles", f"{project}/{particles}", "--tomograms", f"{project}/tomograms"),
            *more,
        ]
    )


def test_fit_predict_and_report_write_pages(fitted):
    page = checked((fitted / "fit.html").read_text("utf-8"))
    for text in (
        *("36 particles, 18 labels, 2 classes: 1, 2.", "CNNClassifier: some.star", "10 Å"),
        *("TS_1 18 18 9 9", "TS_2 18 0 9 9", "Particles in a tomogram: TS_2"),
        *("The score of the picker is beside.", "sksubtomo fit", "--method supervised"),
    ):
        assert text in page.text, text

    out, report = fitted / "out.star", fitted / "predict.html"
    assert command("predict", fitted, "--output", f"{out}", "--report", f"{report}") == 0
    page = checked(report.read_text("utf-8"))
    assert "36 particles, 0 labels" in page.text
    assert "No labels are given" in page.text

    report = fitted / "report.html"
    assert command("report", fitted, "--output", f"{report}") == 0
    assert "36 particles, 18 labels" in checked(report.read_text("utf-8")).text
    # Classes that predict wrote are no labels; those of another table are.
    labels = ("--labels", f"{fitted}/particles.star", "--overwrite", "--output", f"{report}")
    assert command("report", fitted, *labels[2:], particles="out.star") == 0
    assert "36 particles, 0 labels" in checked(report.read_text("utf-8")).text
    assert command("report", fitted, *labels, particles="out.star") == 0
    assert "36 particles, 36 labels" in checked(report.read_text("utf-8")).text


def test_files_are_replaced_on_demand_only_and_checked_before_work(fitted, caplog):
    (fitted / "there.html").write_text("mine")
    arguments = ("--output", f"{fitted}/new.star", "--report", f"{fitted}/there.html")
    assert command("predict", fitted, *arguments) == 1
    assert "there.html exists" in caplog.text
    assert not (fitted / "new.star").exists()
    assert command("predict", fitted, *arguments, "--overwrite") == 0
    assert (fitted / "there.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert command("report", fitted, "--output", f"{fitted}/none/a.html") == 1
    assert "There is no folder" in caplog.text


def test_a_dry_run_writes_nothing(fitted):
    before = sorted(path.name for path in fitted.iterdir())
    assert command("report", fitted, "--output", f"{fitted}/a.html", "--dry-run") == 0
    arguments = ("--output", f"{fitted}/a.star", "--report", f"{fitted}/a.html", "--dry-run")
    assert command("predict", fitted, *arguments) == 0
    assert sorted(path.name for path in fitted.iterdir()) == before


def test_particles_that_cannot_be_used_are_told(fitted):
    particles = read_particles(fitted / "some.star")
    particles.table.loc[3, "rlnCoordinateX"] = 999.0
    write_particles(fitted / "bad.star", particles)
    arguments = ("--output", f"{fitted}/a.html")
    assert command("report", fitted, *arguments, particles="bad.star") == 3
    page = checked((fitted / "a.html").read_text("utf-8"))
    assert "1 of 36 particles of the table could not be used." in page.text
    assert "35 particles" in page.text


def test_a_report_that_fails_does_not_cost_the_output(fitted, monkeypatch, caplog):
    def fails(*_, **__):
        raise ValueError("no report today")

    monkeypatch.setattr("sksubtomo.reports.make_report", fails)
    arguments = ("--output", f"{fitted}/a.star", "--report", f"{fitted}/a.html")
    assert command("predict", fitted, *arguments) == 3
    assert (fitted / "a.star").exists()
    assert "a.html is not written: no report today" in caplog.text
    assert command("report", fitted, "--output", f"{fitted}/a.html") == 1


def test_labels_that_the_model_does_not_know(fitted, caplog):
    particles = read_particles(fitted / "some.star")
    write_particles(fitted / "other.star", particles, class_numbers=np.full(36, 7))
    code = command("report", fitted, "--output", f"{fitted}/a.html", particles="other.star")
    assert code == 1
    assert "not among the classes" in caplog.text


def test_names_of_tomograms_are_escaped(fitted):
    from sksubtomo.io import make_particle_table

    particles = read_particles(fitted / "some.star")
    name = "<script>alert(1)<"
    (fitted / "tomograms/TS_1.mrc").rename(fitted / f"tomograms/{name}.mrc")
    table = make_particle_table(particles.coordinates[:18], tomogram_names=[name] * 18)
    write_particles(fitted / "script.star", table)
    report = fitted / "a.html"
    assert command("report", fitted, "--output", f"{report}", particles="script.star") == 0
    page = checked(report.read_text("utf-8"))
    assert f"Particles in a tomogram: {name}" in page.text


@pytest.mark.slow
def test_references_report_averages_and_orientations(project):
    arguments = ["--tomograms", f"{project}/tomograms", "--particles", f"{project}/particles.star"]
    model = ["--model", f"{project}/model.sksubtomo"]
    fit = ["fit", *arguments, "--box-size", "12", "--output", model[1], "--method", "references"]
    assert main([*fit, "--quiet", "--report", f"{project}/fit.html"]) == 0
    assert main(["report", *arguments, *model, "--quiet", "--output", f"{project}/a.html"]) == 0
    for name in ("fit.html", "a.html"):
        page = checked((project / name).read_text("utf-8"))
        assert "no gold standard" in page.text
        assert "of these particles" in page.text


@pytest.mark.slow
def test_candidates_are_judged_by_labels_that_were_left_out(project):
    particles = read_particles(project / "particles.star")
    particles.table["rlnAutopickFigureOfMerit"] = np.linspace(0, 1, 36)
    write_particles(project / "scored.star", particles, class_numbers=particles.class_numbers)
    arguments = ["--tomograms", f"{project}/tomograms", "--particles", f"{project}/scored.star"]
    model = ["--box-size", "12", "--output", f"{project}/model.sksubtomo"]
    fit = ["fit", *arguments, *model, "--method", "candidates", "--quiet"]
    assert main([*fit, "--report", f"{project}/fit.html"]) == 0
    page = checked((project / "fit.html").read_text("utf-8"))
    assert "did not learn from the label" in page.text
    assert "The score of the picker is beside." in page.text
