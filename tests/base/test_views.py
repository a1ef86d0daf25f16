"""Random copies in training and prediction, through the estimators."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.semi_supervised import LabelSpreading

from sksubtomo.augmentation import Corruption, WedgeAwareRotations, average_over_rotations
from sksubtomo.decomposition import Autoencoder, ContrastiveEncoder, VariationalAutoencoder
from sksubtomo.networks import Liu2019, ResNet
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.semi_supervised import (
    AutoencodingClassifier,
    FineTunedClassifier,
    FixMatchClassifier,
    MeanTeacherClassifier,
    PseudoLabelClassifier,
    SemiSupervisedVAEClassifier,
)
from sksubtomo.training import (
    Consistency,
    FineTuningTraining,
    JointTraining,
    Reconstruction,
    Training,
)

QUICK = {"max_epochs": 2, "batch_size": 16, "random_state": 0, "learning_rate": 1e-3}
SMALL = {"network": Liu2019(n_filters=4)}
CODED = {"network": Liu2019(n_filters=4, latent_dim=6)}
RESIDUAL = {"network": ResNet(n_filters=4, latent_dim=6)}
COPIES = {"augmentation": WedgeAwareRotations(n_test_rotations=2)}
CONSISTENT = JointTraining(consistency=Consistency(weight=0.5))
ONE_EPOCH = FineTuningTraining(pretrain_epochs=1)

ESTIMATORS = [
    Autoencoder(**QUICK, **CODED, **COPIES),
    AutoencodingClassifier(**QUICK, **CODED, **COPIES, training=CONSISTENT),
    CNNClassifier(**QUICK, **SMALL, **COPIES),
    ContrastiveEncoder(**QUICK, **RESIDUAL, **COPIES),
    FineTunedClassifier(**QUICK, **CODED, **COPIES, training=ONE_EPOCH),
    FixMatchClassifier(**QUICK, **SMALL, **COPIES),
    MeanTeacherClassifier(**QUICK, **SMALL, **COPIES),
    PseudoLabelClassifier(**QUICK, **SMALL, **COPIES),
    SemiSupervisedVAEClassifier(**QUICK, **CODED, **COPIES),
    SemiSupervisedVAEClassifier(
        VariationalAutoencoder(**QUICK, **CODED, **COPIES), **QUICK, network=Liu2019(latent_dim=6)
    ),
    VariationalAutoencoder(**QUICK, **CODED, **COPIES),
]


def outputs(estimator, X):
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(X)
    return estimator.transform(X)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_every_estimator_takes_copies(estimator, mostly_hidden):
    X, y = mostly_hidden
    first, second = (clone(estimator).fit(X, y) for _ in range(2))
    assert np.array_equal(outputs(first, X), outputs(second, X))
    np.testing.assert_allclose(outputs(first, X)[3:5], outputs(first, X[3:5]), rtol=1e-4, atol=1e-5)
    stages = [name for name in estimator.get_params() if name.endswith("n_test_rotations")]
    plain = clone(estimator).set_params(**dict.fromkeys(stages, 0)).fit(X, y)
    assert not np.allclose(outputs(plain, X), outputs(first, X))


def test_predictions_are_means_over_the_same_rotations(easy_volumes):
    X, y = easy_volumes
    tilts = (-50.0, 60.0)
    augmentation = WedgeAwareRotations(tilt_range_deg=tilts, n_test_rotations=3)
    clf = CNNClassifier(**QUICK, **SMALL, augmentation=augmentation)
    clf.fit(X, y)
    expected = average_over_rotations(
        clf.net_.module_.eval().classify,
        clf._to_input(X[:4]),
        3,
        torch.Generator().manual_seed(0),
        tilt_range_deg=tilts,
    )
    np.testing.assert_allclose(clf.predict_proba(X[:4]), expected.detach(), rtol=1e-4)


def test_decision_function_is_the_logarithm(easy_volumes):
    X, y = easy_volumes
    clf = CNNClassifier(**QUICK, **SMALL).fit(X, y)
    logits = torch.from_numpy(clf.decision_function(X))
    assert logits.shape == (60, 3)
    np.testing.assert_allclose(logits.softmax(dim=1), clf.predict_proba(X), rtol=1e-4, atol=1e-6)
    two = CNNClassifier(**QUICK, **SMALL).fit(X[y < 2], y[y < 2])
    odds = 1 / (1 + np.exp(-two.decision_function(X)))
    np.testing.assert_allclose(odds, two.predict_proba(X)[:, 1], rtol=1e-4, atol=1e-6)


def test_features_are_what_the_classifier_reads(easy_volumes):
    X, y = easy_volumes
    clf = CNNClassifier(**QUICK, network=ResNet(n_filters=4)).fit(X, y)
    features = clf.features(X)
    assert features.shape == (60, clf.net_.module_.encoder.feature_shape[0])
    logits = clf.net_.module_.classifier.layers[-1](torch.from_numpy(features)).detach()
    np.testing.assert_allclose(logits, clf.decision_function(X), rtol=1e-3, atol=1e-4)


def test_tilt_ranges_of_single_volumes_change_the_training(mostly_hidden):
    X, y = mostly_hidden
    clf = CNNClassifier(**QUICK, **SMALL, augmentation="rotations")
    same = clone(clf).fit(X, y, tilt_ranges_deg=np.tile([-60.0, 60.0], (60, 1)))
    other = clone(clf).fit(X, y, tilt_ranges_deg=np.tile([-30.0, 50.0], (60, 1)))
    plain = clone(clf).fit(X, y)
    np.testing.assert_allclose(same.predict_proba(X), plain.predict_proba(X), rtol=1e-5)
    assert not np.allclose(other.predict_proba(X), plain.predict_proba(X), rtol=1e-3)


def test_codes_of_copies_serve_scikit_learn(mostly_hidden):
    X, y = mostly_hidden
    encoder = ContrastiveEncoder(**QUICK, **RESIDUAL)
    spread = make_pipeline(encoder, LabelSpreading("knn", n_neighbors=5)).fit(X, y)
    assert spread.predict(X).shape == (60,)
    fitted = clone(encoder).fit(X)
    assert fitted.get_feature_names_out().shape == (6,)
    LogisticRegression().fit(fitted.transform(X[y >= 0]), y[y >= 0])


def test_fine_tuning_starts_from_a_contrastive_encoder(mostly_hidden):
    X, y = mostly_hidden
    encoder = ContrastiveEncoder(**QUICK, **RESIDUAL).fit(X)
    clf = FineTunedClassifier(encoder, **{**QUICK, "max_epochs": 1}, freeze_encoder=True)
    clf.fit(X, y)
    trained, kept = (
        net.net_.module_.encoder.blocks.state_dict() for net in (clf, clf.autoencoder_)
    )
    for name, value in kept.items():  # running statistics of batch normalization included
        assert torch.equal(trained[name], value), name


@pytest.mark.parametrize(
    ("params", "fit_params", "message"),
    [
        ({"augmentation": {"tilt_range_deg": 60}}, {}, "'augmentation' parameter"),
        ({"augmentation": WedgeAwareRotations(tilt_range_deg=(60, 10))}, {}, "increasing angles"),
        ({"augmentation": WedgeAwareRotations(low_pass=(0.4, 0.1))}, {}, "low_pass cutoffs"),
        ({"augmentation": "flips"}, {}, "augmentation"),
        ({"network": "vgg"}, {}, "network='vgg' is not known"),
        ({}, {"tilt_ranges_deg": np.zeros((60, 2))}, "augmentation, which is 'none'"),
        ({"augmentation": "rotations"}, {"tilt_ranges_deg": np.zeros((9, 2))}, r"need \(60, 2\)"),
        (
            {"augmentation": "rotations"},
            {"tilt_ranges_deg": np.zeros((60, 2))},
            r"_deg\[0\]",
        ),
        ({"training": Training(labeled_share=1.5)}, {}, "labeled_share"),
    ],
)
def test_bad_input(easy_volumes, params, fit_params, message):
    with pytest.raises(ValueError, match=message):
        CNNClassifier(**QUICK, **params).fit(*easy_volumes, **fit_params)


ONLY_TESTED = WedgeAwareRotations(
    rotate=False, max_shift_voxels=0.0, tilt_range_deg=None, n_test_rotations=4
)


def test_only_cubes_can_be_rotated():
    X, y = np.zeros((6, 8, 8, 10), np.float32), np.arange(6) % 2
    for params in ({"augmentation": "rotations"}, {"augmentation": ONLY_TESTED}):
        with pytest.raises(ValueError, match="needs cubes"):
            CNNClassifier(**QUICK, **params).fit(X, y)


def test_test_rotations_interpolate_as_the_training_did(easy_volumes):
    X, y = easy_volumes
    augmentation = WedgeAwareRotations(oversampling=1, outside="zeros", n_test_rotations=2)
    clf = CNNClassifier(**QUICK, **SMALL, augmentation=augmentation)
    clf.fit(X, y)
    expected = average_over_rotations(
        clf.net_.module_.eval().classify,
        clf._to_input(X[:4]),
        2,
        torch.Generator().manual_seed(0),
        oversampling=1,
        outside="zeros",
    )
    np.testing.assert_allclose(clf.predict_proba(X[:4]), expected.detach(), rtol=1e-4)


@pytest.mark.parametrize("kind", [FixMatchClassifier, MeanTeacherClassifier])
def test_early_stopping_watches_labels_only(kind, easy_volumes):
    # One label a class: none can be held out, and a loss without labels would be 0 at once.
    X, y = easy_volumes
    hidden = np.where(np.arange(60) < 3, y, -1)
    params = {**QUICK, **SMALL, "max_epochs": 14}
    clf = kind(**params, training=Training(n_iter_no_change=2)).fit(X, hidden)
    assert clf.n_iter_ == 14
    assert "valid_loss" not in clf.history_[0]
    more = kind(**params).fit(X, np.where(np.arange(60) < 30, y, -1))
    assert more.history_[0]["valid_loss"] > 0


def test_mean_teacher_ramps_up_over_partial_fits(mostly_hidden):
    X, y = mostly_hidden
    clf = MeanTeacherClassifier(**{**QUICK, "max_epochs": 10}, **SMALL, ramp_up=0.4)
    ramps = []
    for _ in range(6):
        clf.partial_fit(X, y, classes=[0, 1, 2])
        ramps.append(clf.net_.criterion_.ramp)
    np.testing.assert_allclose(ramps, [np.exp(-5 * max(0, 1 - k / 4) ** 2) for k in range(6)])


def test_running_means_of_fix_match_go_on(mostly_hidden):
    X, y = mostly_hidden
    clf = FixMatchClassifier(**QUICK, **SMALL, warm_start=True).fit(X, y)
    before = clf.net_.criterion_.consistency.mean_confidence.clone()
    clf.set_params(threshold=0.5, max_epochs=1).partial_fit(X, np.full(60, -1))
    consistency = clf.net_.criterion_.consistency
    assert consistency.threshold == 0.5
    assert abs(consistency.mean_confidence - before) < 0.1
    np.testing.assert_allclose(consistency.shares, [5 / 15] * 3)


def test_first_stages_are_to_be_fitted_with_tilt_ranges(mostly_hidden):
    X, y = mostly_hidden
    tilts = np.tile([-60.0, 60.0], (60, 1))
    with pytest.raises(ValueError, match="pre-training"):
        FineTunedClassifier(**QUICK, **COPIES).fit(X, y, tilt_ranges_deg=tilts)
    with pytest.raises(ValueError, match="Latent codes are not rotated"):
        SemiSupervisedVAEClassifier(VariationalAutoencoder()).fit(X, y, tilt_ranges_deg=tilts)
    with pytest.raises(ValueError, match="X_val has none"):
        CNNClassifier(**QUICK, **COPIES).fit(X, y, X_val=X, y_val=y, tilt_ranges_deg=tilts)


def test_equal_copies_teach_nothing(easy_volumes):
    with pytest.raises(ValueError, match="two equal views"):
        ContrastiveEncoder(**QUICK, augmentation="none").fit(easy_volumes[0])


@pytest.mark.parametrize(
    "training",
    [
        JointTraining(consistency=Consistency(weight=1.0)),
        JointTraining(reconstruction=Reconstruction(measured_region=True)),
    ],
)
def test_terms_that_need_copies_say_so(easy_volumes, training):
    with pytest.raises(ValueError, match="set augmentation"):
        AutoencodingClassifier(**QUICK, training=training).fit(*easy_volumes)


def test_consistency_needs_the_unlabeled_in_the_classifier(easy_volumes):
    params = {"network": Liu2019(batch_norm_rows="labeled"), "augmentation": "rotations"}
    with pytest.raises(ValueError, match="leave batch_norm_rows='all'"):
        AutoencodingClassifier(**QUICK, **params, training=CONSISTENT).fit(*easy_volumes)


def test_every_term_of_the_flagship_can_be_switched_on(mostly_hidden):
    X, y = mostly_hidden
    training = JointTraining(
        reconstruction=Reconstruction(measured_region=True, corruption=Corruption(noise_std=0.5)),
        consistency=Consistency(weight=1.0),
        average_decay=0.9,
        optimizer="adamw",
        schedule="one_cycle",
        labeled_share=0.5,
    )
    clf = AutoencodingClassifier(**QUICK, **CODED, augmentation="rotations", training=training)
    clf.fit(X, y)
    last = clf.history_[-1]
    names = ("cross_entropy", "reconstruction_error", "inconsistency", "kept_share")
    assert all(np.isfinite(last[f"train_{name}"]) for name in names)
    assert clf.reconstruct(X).shape == X.shape
