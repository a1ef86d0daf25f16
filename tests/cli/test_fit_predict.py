import hashlib
import json

import joblib
import numpy as np
import pytest
import starfile
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from sksubtomo.cli import main
from sksubtomo.cli._model import load_model
from sksubtomo.io import read_particles, write_mrc, write_particles
from sksubtomo.persistence import model_info, save_model
from sksubtomo.preprocessing import VolumeFlattener


def predict(project, *more, particles="particles.star"):
    return main(
        [
            *("predict", "--model", f"{project}/model.sksubtomo", "--quiet"),
            *("--particles", f"{project}/{particles}", "--tomograms", f"{project}/tomograms"),
            *more,
        ]
    )


@pytest.fixture
def fitted(project, fit_arguments):
    assert main(fit_arguments) == 0
    return project


def test_from_labels_to_a_classified_table(project, fit_arguments, capsys):
    particles = read_particles(project / "particles.star")
    truth = particles.class_numbers
    known = np.where(np.arange(36) < 18, truth, 0)
    write_particles(project / "some.star", particles, class_numbers=known)
    arguments = [a.replace("particles.star", "some.star") for a in fit_arguments]
    assert main(arguments) == 0
    out = project / "out.star"
    assert predict(project, "--output", str(out), particles="some.star") == 0
    again = read_particles(out)
    assert again.class_numbers.tolist() == truth.tolist()
    table = again.table
    columns = ["sksubtomoProbability1", "sksubtomoProbability2"]
    np.testing.assert_allclose(table[columns].sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(table[columns].max(axis=1), table["rlnMaxValueProbDistribution"])
    assert table["rlnGroupName"].tolist() == ["one group"] * 36
    # The same as in Python.
    model = load_model(project / "model.sksubtomo")
    assert (model.box_size, model.voxel_size_angstrom) == (12, 10.0)
    assert model.classifier.classes_.tolist() == [1, 2]
    assert main(["info", str(project / "model.sksubtomo"), str(out)]) == 0
    shown = capsys.readouterr().out
    assert "VolumeNormalizer > CNNClassifier" in shown
    assert "particles by class: 1: 18, 2: 18" in shown
    assert "fitted by --method supervised" in shown
    assert "tomograms: TS_1, TS_2" in shown
    assert "in schema" in shown


def test_models_tell_how_they_came_about(fitted):
    told = model_info(fitted / "model.sksubtomo")["metadata"]["provenance"]
    assert told["method"] == "supervised"
    assert sum(told["labels"].values()) <= told["n_boxes"] == 36
    first = told["tomograms"][0]
    content = (fitted / "tomograms/TS_1.mrc").read_bytes()
    assert first["name"] == "TS_1"
    assert first["n_bytes"] == len(content)
    assert first["sha256_of_first_mebibyte"] == hashlib.sha256(content[: 2**20]).hexdigest()
    assert np.isfinite(told["scores"]["train_loss"])
    assert told["options"]["box_size"] == 12


def test_models_of_python_say_nothing_of_boxes(project, capsys):
    save_model(make_pipeline(VolumeFlattener(), GaussianNB()), project / "model.sksubtomo")
    assert predict(project, "--output", f"{project}/out.star") == 1
    assert "no model that `sksubtomo fit` wrote" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"box_size": -1}, "no model of `sksubtomo fit`"),
        ({"box_size": "12"}, "no model of `sksubtomo fit`"),
        ({"voxel_size_angstrom": [1]}, "no model of `sksubtomo fit`"),
        ({"box_statistics": 5}, "no model of `sksubtomo fit`"),
        ({"box_statistics": {"n_boxes": 1}}, "no model of `sksubtomo fit`"),
        ({"provenance": 5}, "no model of `sksubtomo fit`"),
        ({"provenance": {"labels": 5}}, "cannot be read as a model file"),
    ],
)
def test_models_that_say_what_cannot_be(fitted, capsys, changes, message):
    path = fitted / "model.sksubtomo"
    metadata = model_info(path)["metadata"]
    classifier = load_model(path).classifier
    save_model(classifier, path, metadata={**metadata, **changes}, overwrite=True)
    assert main(["info", str(path)]) == 1
    assert message in capsys.readouterr().err


def test_what_a_file_says_does_not_steer_the_terminal(fitted, capsys):
    path = fitted / "model.sksubtomo"
    model = load_model(path)
    told = {**model.provenance, "method": "\x1b]0;title\x07" + "x" * 10**5}
    metadata = {**model_info(path)["metadata"], "provenance": told}
    save_model(model.classifier, path, metadata=metadata, overwrite=True)
    assert main(["info", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert max(map(len, shown.split("\n"))) < 2500


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_pickles_run_nothing_unless_allowed(project, capsys):
    trace = project / "trace"
    joblib.dump(Touch(trace), project / "model.joblib")
    for command in (["info", f"{project}/model.joblib"], None):
        if command is None:
            (project / "model.joblib").rename(project / "model.sksubtomo")
            assert predict(project, "--output", f"{project}/out.star") == 1
        else:
            assert main(command) == 1
        assert "is a pickle" in capsys.readouterr().err
        assert not trace.exists()


def test_cleaned_table_keeps_what_is_asked_for(fitted):
    out = fitted / "clean.star"
    assert predict(fitted, "--output", str(out), "--keep", "2") == 0
    kept = read_particles(out)
    assert kept.class_numbers.tolist() == [2] * 18
    assert predict(fitted, "--output", str(out), "--keep", "2") == 1  # exists
    every = ["--keep", "1", "--threshold", "0", "--overwrite"]
    assert predict(fitted, "--output", str(out), *every) == 0
    assert len(read_particles(out)) == 36
    assert predict(fitted, "--output", str(out), "--keep", "7", "--overwrite") == 1
    assert predict(fitted, "--output", str(out), "--threshold", "0.5", "--overwrite") == 1
    assert len(read_particles(out)) == 36


def test_one_corrupt_tomogram_of_many_is_told_and_the_others_done(fitted, capsys):
    path = fitted / "tomograms/TS_2.mrc"
    path.write_bytes(path.read_bytes()[:5000])
    out = fitted / "out.star"
    assert predict(fitted, "--output", str(out)) == 3
    message = capsys.readouterr().err
    assert "TS_2 is left out, with its 18 particles" in message
    assert "1 of 2 tomograms was left out" in message
    particles = read_particles(out)
    assert particles.class_numbers[18:].tolist() == [0] * 18
    assert set(particles.class_numbers[:18]) == {1, 2}
    assert particles.table["rlnMaxValueProbDistribution"][18:].tolist() == [0.0] * 18
    path.unlink()
    (fitted / "tomograms/TS_1.mrc").write_bytes(b"x" * 2000)
    path.write_bytes(b"x" * 2000)
    assert predict(fitted, "--output", f"{fitted}/none.star") == 1
    assert not (fitted / "none.star").exists()


def test_points_of_copick_are_cleaned(fitted, capsys):
    points = [
        {"location": dict(zip("zyx", (10 * center).tolist(), strict=True)), "score": 0.5}
        for center in read_particles(fitted / "particles.star").coordinates[:18]
    ]
    content = {"pickable_object_name": "blob", "run_name": "TS_1", "points": points}
    (fitted / "picks.json").write_text(json.dumps(content))
    where = ["--output", f"{fitted}/clean.json", "--pixel-size", "10"]
    assert predict(fitted, *where, particles="picks.json") == 1
    assert "no place for classes" in capsys.readouterr().err
    assert predict(fitted, *where, "--keep", "2", particles="picks.json") == 0
    kept = json.loads((fitted / "clean.json").read_text())["points"]
    assert kept == points[1::2]


def test_what_a_file_cannot_hold_is_said_before_work(fitted, capsys, monkeypatch):
    monkeypatch.setattr("sksubtomo.cli._predict.classify_particles", None)
    assert predict(fitted, "--output", f"{fitted}/out.tbl") == 1
    assert "only a table of Dynamo" in capsys.readouterr().err


def test_dry_runs_write_nothing(project, fit_arguments):
    before = sorted(project.rglob("*"))
    assert main([*fit_arguments, "--dry-run"]) == 0
    assert sorted(project.rglob("*")) == before
    assert main(fit_arguments) == 0
    before = sorted(project.rglob("*"))
    assert predict(project, "--output", f"{project}/out.star", "--dry-run") == 0
    assert predict(project, "--o", f"{project}/job", "--dry-run") == 0
    assert sorted(project.rglob("*")) == before


def test_a_job_of_relion(fitted, monkeypatch):
    """As RELION starts it: in the project's folder, with paths relative to it."""
    monkeypatch.chdir(fitted)
    (fitted / "External/job007").mkdir(parents=True)
    relion = [
        *("predict", "--in_parts", "particles.star", "--o", "External/job007/"),
        *("--model", "model.sksubtomo", "--tomograms", "tomograms", "--j", "1"),
    ]
    assert main(relion) == 0
    job = fitted / "External/job007"
    assert sorted(path.name for path in job.iterdir()) == [
        "RELION_JOB_EXIT_SUCCESS",
        "RELION_OUTPUT_NODES.star",
        "particles.star",
    ]
    nodes = starfile.read(job / "RELION_OUTPUT_NODES.star", always_dict=True)["output_nodes"]
    assert np.ravel(nodes["rlnPipeLineNodeName"]).tolist() == ["External/job007/particles.star"]
    assert len(read_particles(job / "particles.star")) == 36
    (fitted / "model.sksubtomo").unlink()
    assert main(relion) == 1
    marks = [path.name for path in job.iterdir() if "EXIT" in path.name]
    assert marks == ["RELION_JOB_EXIT_FAILURE"]
    left = {path.name for path in job.iterdir()} - {"RELION_JOB_EXIT_FAILURE"}
    assert left == {"particles_earlier.star"}


def test_a_job_of_relion_with_wrong_arguments_fails_for_relion_too(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["predict", "--in_parts", "a.star", "--o", str(tmp_path)])
    assert "--model" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["RELION_JOB_EXIT_FAILURE"]


def test_voxel_size_has_to_be_that_of_the_model(fitted, capsys):
    for name in ("TS_1", "TS_2"):
        path = fitted / f"tomograms/{name}.mrc"
        write_mrc(path, np.ones((28, 44, 44), np.float32), 20.0, overwrite=True)
    assert predict(fitted, "--output", f"{fitted}/out.star") == 1
    assert "voxels of 20 A, but 10 A are expected" in capsys.readouterr().err


def test_labels_from_another_table(project, fit_arguments, capsys):
    particles = read_particles(project / "particles.star")
    write_particles(project / "labels.star", particles.subset(np.arange(6)))
    unlabeled = np.zeros(36, dtype=int)
    write_particles(project / "all.star", particles, class_numbers=unlabeled)
    arguments = [a.replace("particles.star", "all.star") for a in fit_arguments]
    assert main(arguments) == 1
    assert "Labels of at least two classes" in capsys.readouterr().err
    arguments.remove("--quiet")
    assert main([*arguments, "--labels", f"{project}/labels.star", "--dry-run"]) == 0
    assert "labeled: class 1: 3, class 2: 3" in capsys.readouterr().err


def test_files_that_are_no_model(project, capsys):
    (project / "model.sksubtomo").write_bytes(b"no pickle")
    assert predict(project, "--output", f"{project}/out.star") == 1
    assert "cannot be read as a model" in capsys.readouterr().err


def test_evaluation_of_predictions(fitted, capsys):
    truth = fitted / "particles.star"
    out, figures = fitted / "clean.star", fitted / "scores.json"
    assert predict(fitted, "--output", str(out), "--keep", "1") == 0
    command = ["evaluate", "--truth", str(truth), "--predicted", str(out), "--voxel-size", "10"]
    command += ["--tolerance-angstrom", "20", "--output", str(figures)]
    assert main(command) == 0
    scores = json.loads(figures.read_text())
    assert scores["1"]["f1"] == 1.0
    assert (scores["2"]["n_true"], scores["2"]["n_found"], scores["2"]["recall"]) == (18, 0, 0.0)
    assert "precision" in capsys.readouterr().out
    assert main([*command, "--any-class", "--overwrite"]) == 0
    assert json.loads(figures.read_text())["all"]["recall"] == 0.5


def test_an_output_that_is_a_folder_is_told_before_work(fitted, fit_arguments, capsys):
    (fitted / "out.star").mkdir()
    for more in ([], ["--overwrite"]):
        assert predict(fitted, "--output", f"{fitted}/out.star", "--dry-run", *more) == 1
        assert "out.star is a folder. Name a file in it" in capsys.readouterr().err
        assert main([*fit_arguments, "--dry-run", "--output", f"{fitted}/out.star", *more]) == 1
        assert "out.star is a folder. Name a file in it" in capsys.readouterr().err


def test_what_is_told_of_a_table_is_bounded(project, capsys):
    assert main(["info", f"{project}/tomograms"]) == 1
    assert "tomograms is a folder. Give the files in it" in capsys.readouterr().err
    path = project / "particles.star"
    path.write_text(path.read_text().replace("TS_1", "TS_" + "1" * 10**5))
    assert main(["info", f"{path}"]) == 0
    assert len(capsys.readouterr().out) < 5000
