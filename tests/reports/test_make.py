"""Reports are valid, complete, self-contained pages, whatever names hold."""

import time

import matplotlib.pyplot as plt
import numpy as np
import pytest
from report_pages import checked
from scipy.spatial.transform import Rotation
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

from sksubtomo._utils._steps import owner_of
from sksubtomo.alignment import Annealing
from sksubtomo.calibration import TemperatureScaledClassifier
from sksubtomo.io import SubtomogramStack, write_mrc
from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.reports import make_report
from sksubtomo.semi_supervised import AutoencodingClassifier, MultiReferenceClassifier

SCRIPT = "<script>alert(1)</script>"
SMALL = {"max_epochs": 2, "network": Liu2019(n_filters=2, latent_dim=3), "random_state": 0}


def test_a_network_with_all_that_there_is_to_show(mostly_hidden):
    X, y = mostly_hidden
    open_before = plt.get_fignums()
    clf = make_pipeline(VolumeNormalizer(), AutoencodingClassifier(**SMALL)).fit(X, y)
    coordinates = np.random.default_rng(0).uniform(4, 12, size=(60, 3))
    names = np.repeat(["TS_1", "TS_2"], 30)
    tomogram = np.random.default_rng(0).normal(size=(16, 16, 16)).astype(np.float32)
    report = make_report(
        *(clf, X, y),
        tomogram_names=names,
        coordinates=coordinates,
        tomograms={"TS_1": tomogram},
        picker_scores=np.arange(60.0),
        voxel_size_angstrom=12.0,
        class_names=["ribosome", "GroEL", "junk"],
        provenance={"Model": "a.sksubtomo"},
    )
    page = checked(report)
    for text in (
        *("60 particles, 12 labels, 3 classes: ribosome, GroEL, junk.", "12 Å", "a.sksubtomo"),
        *("1. VolumeNormalizer", "2. AutoencodingClassifier", "learning_rate"),
        *("Particles by class and probability", "Confusion matrix", "Precision and recall"),
        *("Latent codes, by class", "Latent codes, by label", "Latent codes, by tomogram"),
        *("Training", "Reliability", "Particles in a tomogram: TS_1"),
        "The score of the picker is beside.",
        "Class averages: the classifier has no references that are volumes.",
        "Orientations: the classifier finds no orientations.",
    ):
        assert text in page.text, text
    assert len(page.of("img")) == 10
    assert plt.get_fignums() == open_before


@pytest.mark.parametrize("around", [None, "pipeline", "scaled"])
def test_references_have_averages_and_orientations(around):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(24, 8, 8, 8)).astype(np.float32), np.arange(24) % 2
    X[y == 1, 2:6, 2:6, 2:6] += 2
    clf = MultiReferenceClassifier(
        annealing=Annealing(stages=[(2, 90, 1, 2)]), max_shift_voxels=0, random_state=0
    )
    clf = {"pipeline": make_pipeline(VolumeNormalizer(), clf)}.get(around, clf)
    if around == "scaled":
        clf = TemperatureScaledClassifier(clf, cv=2)
    clf.fit(X, y)
    page = checked(make_report(clf, X, y))
    assert "Central slices of the references" in page.text
    assert "of the particles that it was fitted to" in page.text
    assert "Latent codes: the classifier has no latent code." in page.text
    inner = owner_of(clf, "references_")
    averages = inner.class_averages(X, inner.poses_, refine=False, voxel_size_angstrom=10.0)
    page = checked(make_report(clf, X, y, averages=averages, voxel_size_angstrom=10.0))
    assert "no gold standard" in page.text
    assert "of these particles" in page.text


def test_text_from_tables_is_shown_and_not_run(sorter, graded, labels):
    names = [SCRIPT] * 15 + ['"><img src=x onerror=alert(2)>'] * 15
    report = make_report(
        *(sorter, graded, labels),
        tomogram_names=names,
        coordinates=np.zeros((30, 3)),
        tomograms={SCRIPT: np.random.default_rng(0).normal(size=(4, 9, 9))},
        class_names={"a": "<i>a</i>", "b": "$b_{$ & </title></style></script>"},
        provenance={"<b>": "{{ 7 * 7 }} {% raw %}", "x": "\x1b[2J\x00"},
        warnings=["<svg onload=alert(3)>"],
        title="</title><script>alert(4)</script>",
    )
    page = checked(report)
    for text in (SCRIPT, "<i>a</i>", "<svg onload=alert(3)>", "{{ 7 * 7 }} {% raw %}"):
        assert text in page.text, text
    assert "\x1b" not in str(report)
    # In a notebook, too, where the page is the attribute of a frame.
    assert str(report)[:60] not in report._repr_html_()
    assert report._repr_html_().count("<") == 2
    assert 'sandbox="allow-scripts"' in report._repr_html_()


def test_script_and_style_are_those_that_the_policy_allows(sorter, graded):
    import base64
    import hashlib
    import re

    text = str(make_report(sorter, graded))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src &#39;none&#39;")
    for tag in ("script", "style"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in policy


def test_doubtful_labels_and_uncertain_predictions_are_listed(sorter, graded, labels):
    page = checked(make_report(sorter, graded, labels))
    # Row 0 is labeled b with probability 0; row 29 a with 0.13, which is not clear enough.
    assert "Predictions clearly contradict 1 of 20 labels" in page.text
    assert "1 a 1.000 b 0.000" in page.text
    uncertain = page.text.split("least certain predictions.")[1]
    # The nearest to 0.5 among the unlabeled rows, counted from 1.
    assert uncertain.split("probability ")[1].startswith("18 b 0.511 17 a 0.520")


def test_held_out_probabilities_replace_those_of_the_fit(sorter, graded, labels):
    held_out = np.full((30, 2), np.nan)
    held_out[labels != "unlabeled"] = [1.0, 0.0]
    page = checked(make_report(sorter, graded, labels, held_out_proba=held_out))
    assert "did not learn from the label" in page.text
    assert "too good" not in page.text
    alt = [image["alt"] for image in page.of("img")]
    assert any("of which 50% are predicted to be of the class of their label" in a for a in alt)
    assert "Predictions clearly contradict 10 of 20 labels" in page.text


def test_warnings_of_the_prediction_are_shown_and_passed_on(sorter, graded):
    import warnings

    predict = sorter.predict_proba

    def warning(X):
        warnings.warn("the wind is <strong>", UserWarning, stacklevel=2)
        return predict(X)

    sorter.predict_proba = warning
    with pytest.warns(UserWarning, match="the wind is <strong>"):
        report = make_report(sorter, graded, warnings=["given"])
    text = checked(report).text
    assert text.index("given") < text.index("the wind is <strong>") < text.index("No labels are")


@pytest.mark.parametrize(
    ("y", "proba", "message"),
    [
        (None, None, "No labels are given"),
        (["a"] * 30, None, "Classes with no label: 'b'"),
        (["a"] * 29 + ["b"], None, "Classes with one label only: 'b'"),
        (None, [1.0, 0.0], "100.0% of the particles are predicted to be a"),
        (None, [1.0, 0.0], "No particle is predicted to be of these classes: 'b'"),
    ],
)
def test_suspicious_results_are_told(sorter, graded, y, proba, message):
    proba = None if proba is None else np.tile(proba, (30, 1))
    assert message in checked(make_report(sorter, graded, y, y_proba=proba)).text


def test_a_dead_code_and_disagreeing_references_are_told(sorter, graded):
    sorter.history_ = [{"train_loss": 1.0, "train_live_units": 0}]
    assert "the code is dead" in checked(make_report(sorter, graded)).text
    sorter.label_agreement_ = 0.5
    assert "References agree with 0.5 of the labels" in checked(make_report(sorter, graded)).text


def test_a_tomogram_that_cannot_be_drawn_costs_its_figure_only(sorter, graded, tmp_path):
    (tmp_path / "a.mrc").write_bytes(b"no tomogram")
    with pytest.warns(UserWarning, match="Particles are not drawn on TS_1"):
        report = make_report(
            *(sorter, graded),
            tomogram_names=["TS_1"] * 30,
            coordinates=np.zeros((30, 3)),
            tomograms={"TS_1": tmp_path / "a.mrc"},
        )
    page = checked(report)
    assert "Particles are not drawn on TS_1" in page.text
    assert "Particles in a tomogram: TS_1" not in page.text


def test_orientations_are_of_particles_that_have_a_pose(sorter, graded):
    poses = Bunch(
        rotations=Rotation.random(30, random_state=0),
        labels=["a"] * 30,
        references=np.where(np.arange(30) < 20, 0, -1),
    )
    page = checked(make_report(sorter, graded, poses=poses))
    assert any("a panel for each class, of 20" in image["alt"] for image in page.of("img"))
    poses.references[:] = -1
    page = checked(make_report(sorter, graded, poses=poses))
    assert "Orientations: the classifier finds no orientations." in page.text


def test_poses_can_be_given(sorter, graded):
    poses = Bunch(rotations=Rotation.random(30, random_state=0), labels=["a"] * 30)
    page = checked(make_report(sorter, graded, poses=poses))
    assert "of these particles" in page.text


def test_the_method_of_classifiers_does_the_same(mostly_hidden):
    X, y = mostly_hidden
    clf = CNNClassifier(max_epochs=1, network=Liu2019(n_filters=2), random_state=0).fit(X, y)
    report = clf.generate_report(X, y, title="mine")
    assert report.title == "mine"
    assert "Latent codes, by class" in checked(report).text


def test_bad_input(sorter, graded, labels, mostly_hidden):
    X, _ = mostly_hidden
    with pytest.raises(NotFittedError):
        make_report(CNNClassifier(), X)
    with pytest.raises(TypeError, match="VolumeNormalizer is none"):
        make_report(VolumeNormalizer().fit(X), X)
    for name in ("y", "tomogram_names", "coordinates", "picker_scores"):
        with pytest.raises(ValueError, match=f"{name} has 2 rows, but there are 30 particles"):
            make_report(sorter, graded, **{name: [1, 2]})
    for change, message in (
        ({"y": ["c"] * 30}, "not among the classes"),
        ({"y_proba": np.ones((30, 3)) / 3}, "y_proba has shape"),
        ({"y_proba": np.ones((30, 2))}, "y_proba holds rows that are no probabilities"),
        ({"y": labels, "held_out_proba": np.full((30, 2), np.nan)}, "held_out_proba holds rows"),
        ({"pos_label": "c"}, "pos_label='c' is none"),
        ({"threshold": 2}, "threshold=2 must be"),
        ({"class_names": {"a": "x"}}, "no name for the class 'b'"),
    ):
        with pytest.raises(ValueError, match=message):
            make_report(sorter, graded, **change)
    with pytest.raises(ValueError, match="no particles to report on"):
        make_report(sorter, graded[:0])


@pytest.mark.slow
def test_5000_particles_take_less_than_a_minute_and_10_megabytes(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("TS_1", "TS_2"):
        tomogram = rng.normal(size=(60, 200, 200)).astype(np.float32)
        write_mrc(tmp_path / f"{name}.mrc", tomogram, 12.0)
    coordinates = rng.uniform(10, 50, size=(5000, 3)) * [1, 3.5, 3.5]
    paths = [tmp_path / f"{name}.mrc" for name in ("TS_1", "TS_2")]
    stack = SubtomogramStack(paths, coordinates, np.arange(5000) % 2, 20, border="noise")
    y = np.full(5000, -1)
    y[:200] = np.arange(200) % 2
    clf = AutoencodingClassifier(max_epochs=1, network=Liu2019(n_filters=8), random_state=0)
    clf.fit(stack[:200], y[:200])
    # Of the processor: tests may share it.
    start = time.process_time()
    report = make_report(
        *(clf, stack, y),
        tomogram_names=np.array(["TS_1", "TS_2"])[np.arange(5000) % 2],
        coordinates=coordinates,
        tomograms={"TS_1": paths[0], "TS_2": paths[1]},
    )
    report.save_as_html(tmp_path / "report.html")
    assert time.process_time() - start < 60
    assert (tmp_path / "report.html").stat().st_size < 10e6
    checked(report)
