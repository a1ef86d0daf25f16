import json
import subprocess
import sys
import threading

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import make_particle_table, read_particles
from sksubtomo.labeling import LabelingSession
from sksubtomo.preprocessing import VolumeFlattener


def reopened(session, **settings):
    return LabelingSession(session.folder, session.particles, session.volumes, **settings)


def test_labels_counts_and_undo(session):
    session.label(3, 1)
    session.label_many([4, 5], [2, 0])
    assert session.counts == {"particle": 1, "no particle": 1}
    assert session.labels[[3, 4, 5, 6]].tolist() == [1, 2, 0, -1]
    assert session.y[[3, 4, 5, 6]].tolist() == [1, 2, -1, -1]
    assert [session.undo(), session.undo(), session.undo(), session.undo()] == [5, 4, 3, None]
    assert (session.labels == -1).all()
    assert len(session.journal_clicks) == 6


def test_everybody_takes_back_own_clicks(session):
    session.label(3, 1, user="a")
    session.label(3, 2, user="b")
    assert session.undo(user="a") == 3
    assert session.labels[3] == 2
    assert session.undo(user="b") == 3
    assert session.labels[3] == -1


@pytest.mark.parametrize(
    ("row", "label"), [(60, 1), (-1, 1), (0, 3), (0, -2), (0.5, 1), (0, True), ("0", 1)]
)
def test_wrong_clicks_are_refused_and_not_written(session, row, label):
    with pytest.raises(ValueError, match="must be"):
        session.label(row, label)
    assert not session.journal_clicks
    with pytest.raises(ValueError, match="must be"):
        session.label_many([1, row], [1, label])
    assert not session.journal_clicks


def test_goes_on_where_it_was(labeled, truth):
    labeled.label(0, 0)
    labeled.fit()
    later = reopened(labeled)
    np.testing.assert_array_equal(later.labels, labeled.labels)
    np.testing.assert_array_equal(later.predicted_classes, labeled.predicted_classes)
    assert later.query(5, "uncertain").tolist() == labeled.query(5, "uncertain").tolist()


def test_a_folder_of_other_candidates_is_refused(session, volumes, tmp_path):
    other = make_particle_table(np.zeros((len(volumes), 3)))
    with pytest.raises(ValueError, match="is of other candidates"):
        LabelingSession(session.folder, other, volumes)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    with pytest.raises(FileExistsError, match="no folder of a labeling session"):
        LabelingSession(tmp_path / "full", other, volumes)
    with pytest.raises(ValueError, match="one volume for each"):
        LabelingSession(tmp_path / "new", other, volumes[1:])
    (session.folder / "session.json").write_text("[]")
    with pytest.raises(FileFormatError, match="settings of a labeling session"):
        reopened(session)


@pytest.mark.parametrize("names", [["a"], ["a", "a"], ["a", ""], list("abcdefghij"), ["a", 2]])
def test_class_names_are_checked(tmp_path, particles, volumes, names):
    with pytest.raises(ValueError, match="class_names"):
        LabelingSession(tmp_path / "new", particles, volumes, class_names=names)


def test_classes_may_be_renamed_and_added_but_not_removed(session):
    assert reopened(session, class_names=["ribosome", "no", "gold"]).class_names[2] == "gold"
    assert reopened(session).class_names == ("ribosome", "no", "gold")
    with pytest.raises(ValueError, match="not fewer"):
        reopened(session, class_names=["a", "b"])


def test_the_default_model_finds_blobs(labeled, truth):
    labeled.fit()
    assert (labeled.predicted_classes == truth).mean() > 0.9
    rows = labeled.query(10, "uncertain")
    top = labeled.scores.probabilities[rows].max(axis=1)
    assert (np.diff(top) >= 0).all()
    assert (labeled.labels[rows] == -1).all()


def test_a_wrong_label_is_doubtful(labeled, truth):
    wrong = int(np.flatnonzero(truth == 1)[0])
    labeled.label(wrong, 2)
    labeled.fit()
    assert labeled.query(1, "doubtful").tolist() == [wrong]


def test_any_classifier_of_volumes(tmp_path, particles, volumes, truth):
    class Known(GaussianNB):
        """Learns from labeled rows, and is told of the others."""

        def fit(self, X, y):
            assert (y == -1).any()
            return super().fit(X[y != -1], y[y != -1])

    classifier = make_pipeline(VolumeFlattener(), Known())
    session = LabelingSession(
        tmp_path / "s", particles, volumes, classifier=classifier, second_classifier=classifier
    )
    session.label_many(range(20), truth[:20])
    session.fit()
    assert (session.predicted_classes == truth).mean() > 0.8
    # The same model twice never disagrees.
    np.testing.assert_allclose(session.scores.disagreement, 0, atol=1e-12)


def test_models_are_given_a_pool_and_all_labels(tmp_path, particles, volumes, truth):
    session = LabelingSession(tmp_path / "s", particles, volumes, pool_size=10)
    session.label_many(range(8), truth[:8])
    session.fit()
    asked = ~np.isnan(session.scores.probabilities[:, 0])
    assert asked[:8].all()
    assert 10 <= asked.sum() <= 18
    assert (session.predicted_classes[~asked] == 0).all()
    assert set(session.query(99, "informative")) <= set(np.flatnonzero(asked))
    assert len(session.query(99, "random")) == 52


def test_one_tomogram(labeled):
    rows = labeled.query(99, "random", tomogram="TS_2")
    assert (labeled.tomogram_names[rows] == "TS_2").all()
    with pytest.raises(ValueError, match="No candidate is in the tomogram"):
        labeled.query(1, "random", tomogram="TS_3")


def test_fit_needs_two_classes(session):
    session.label_many([1, 2], [1, 1])
    with pytest.raises(ValueError, match="at least two classes"):
        session.fit()
    with pytest.raises(ValueError, match="needs a model"):
        session.query(1, "uncertain")
    with pytest.raises(ValueError, match="There is no model"):
        session.export("predictions")
    # With one label of a class, there are no halves to be doubted by.
    session.label(3, 2)
    session.fit()
    with pytest.raises(ValueError, match="needs a model"):
        session.query(1, "doubtful")


class Waiting(GaussianNB):
    """Waits until it is let go on."""

    begun, go_on = threading.Event(), threading.Event()

    def fit(self, X, y):
        Waiting.begun.set()
        assert Waiting.go_on.wait(20)
        return super().fit(X, y)


def test_in_the_background(labeled):
    Waiting.begun.clear()
    Waiting.go_on.clear()
    labeled.classifier = make_pipeline(VolumeFlattener(), Waiting())
    assert labeled.fit(background=True) is labeled
    assert Waiting.begun.wait(20)
    assert labeled.status.state == "running"
    with pytest.raises(ValueError, match="in progress"):
        labeled.fit(background=True)
    labeled.label(50, 1)
    Waiting.go_on.set()
    labeled.wait()
    assert labeled.status.state == "done"
    assert labeled.scores.probabilities is not None


class Failing(GaussianNB):
    def fit(self, X, y):
        raise RuntimeError("out of luck")


def test_what_goes_wrong_in_the_background_is_told(labeled):
    labeled.classifier = make_pipeline(VolumeFlattener(), Failing())
    labeled.fit(background=True).wait()
    assert labeled.status.state == "failed"
    assert "out of luck" in labeled.status.what
    with pytest.raises(RuntimeError, match="out of luck"):
        labeled.fit()
    labeled.classifier = None
    labeled.fit()


def test_boxes_with_nan_are_left_out_of_models(tmp_path, particles, volumes, truth):
    volumes = volumes.copy()
    volumes[5, 0, 0, 0] = np.nan
    session = LabelingSession(tmp_path / "s", particles, volumes)
    session.label_many(range(20), truth[:20])
    session.fit()
    assert np.isnan(session.scores.probabilities[5]).all()
    assert session.predicted_classes[5] == 0
    assert 5 not in session.query(60, "informative")


def test_of_tomograms(tmp_path, particles, volumes, tomograms, truth, caplog):
    far = make_particle_table(
        np.vstack([particles.coordinates, [[8, 500, 8]]]),
        tomogram_names=[*particles.tomogram_names, "TS_1"],
    )
    with caplog.at_level("WARNING", logger="sksubtomo"):
        session = LabelingSession.from_tomograms(tmp_path / "s", far, tomograms, 10)
    assert "1 of 61 candidates left out" in caplog.text
    assert len(session) == 60
    np.testing.assert_array_equal(session.boxes([7, 3]), volumes[[7, 3]])
    session.label_many(range(20), truth[:20])
    assert (session.fit().predicted_classes == truth).mean() > 0.9
    with pytest.raises(ValueError, match="1 tomogram without a file: 'TS_2'"):
        LabelingSession.from_tomograms(tmp_path / "t", particles, {"TS_1": tomograms["TS_1"]}, 10)


def test_star_has_the_labeled_candidates(labeled, truth):
    exported = labeled.export("star")
    table = read_particles(exported.files[0])
    rows = np.flatnonzero(labeled.labels > 0)
    assert exported.n_candidates == len(rows) == 20
    np.testing.assert_array_equal(table.class_numbers, truth[rows])
    np.testing.assert_array_equal(table.coordinates, labeled.coordinates[rows])


def test_predictions_have_labels_and_probabilities(labeled, truth):
    labeled.fit()
    labeled.label(0, 3 - int(truth[0]))
    table = read_particles(labeled.export("predictions").files[0])
    assert table.class_numbers[0] == 3 - truth[0]
    assert (table.class_numbers == truth).mean() > 0.9
    np.testing.assert_allclose(
        table.table["sksubtomoProbability1"].to_numpy(dtype=float),
        labeled.scores.probabilities[:, 0],
        atol=1e-5,
    )


def test_points_of_napari_come_back_as_labels(labeled, tmp_path, particles, volumes, truth):
    exported = labeled.export("napari")
    assert {path.name for path in exported.files} == {"TS_1.csv", "TS_2.csv"}
    other = LabelingSession(tmp_path / "other", particles, volumes)
    for path in exported.files:
        points = read_particles(path)
        assert path.read_text().startswith("index,axis-0,axis-1,axis-2,class,class_name\n")
        other.label_places(
            points.coordinates + 0.4, points.class_numbers,
            tomogram_names=[path.stem] * len(points),
        )  # fmt: skip
    np.testing.assert_array_equal(other.labels, labeled.labels)
    with pytest.raises(ValueError, match="say by tomogram_names"):
        other.label_places([[0, 0, 0]], [1])
    with pytest.raises(ValueError, match="no particle within"):
        other.label_places([[0, 0, 0]], [1], tomogram_names=["TS_1"])


def test_copick_has_a_file_for_each_class_in_angstrom(labeled):
    exported = labeled.export("copick")
    assert len(exported.files) == 4
    for path in exported.files:
        assert path.is_relative_to(labeled.folder / "copick/ExperimentRuns")
        name = path.parts[-3]
        content = json.loads(path.read_text())
        number = {"particle": 1, "no-particle": 2}[content["pickable_object_name"]]
        chosen = (labeled.labels == number) & (labeled.tomogram_names == name)
        points = read_particles(path, pixel_size_angstrom=10.0)
        np.testing.assert_allclose(points.coordinates, labeled.coordinates[chosen])
    labeled.voxel_size_angstrom = None
    with pytest.raises(ValueError, match="voxel_size_angstrom"):
        labeled.export("copick")


def test_exports_that_there_are_not(session):
    with pytest.raises(ValueError, match="no labels to write"):
        session.export()
    with pytest.raises(ValueError, match="must be one of"):
        session.export("pdf")


def test_merge_of_two_people(labeled, tmp_path, particles, volumes):
    other = LabelingSession(tmp_path / "other", particles, volumes, user="b")
    row = int(np.flatnonzero(labeled.labels == 1)[0])
    other.label(row, 2)
    assert labeled.merge(other.folder / "journal.jsonl") == 1
    assert labeled.labels[row] == 2
    assert {one.user for one in labeled.journal_clicks} == {"", "b"}
    with pytest.raises(FileNotFoundError):
        labeled.merge(tmp_path / "nothing")


def test_scores_that_cannot_be_read_are_no_reason_to_refuse_labels(labeled):
    labeled.fit()
    (labeled.folder / "scores.npz").write_bytes(b"PK nothing")
    later = reopened(labeled)
    assert later.scores.probabilities is None
    np.testing.assert_array_equal(later.labels, labeled.labels)


def test_a_session_needs_no_torch_and_no_server():
    code = (
        "import sys, sksubtomo.labeling; "
        "print([m for m in ('torch', 'starlette', 'uvicorn', 'pandas') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
