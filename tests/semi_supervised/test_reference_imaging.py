"""Volumes that were imaged in different ways, and those whose imaging is stated wrongly."""

import numpy as np
import pytest
import sklearn
import torch
from molecules import POINTS, density
from scipy.spatial.transform import Rotation
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sksubtomo.alignment import Annealing
from sksubtomo.exceptions import ImagingWarning, InvertedContrastWarning
from sksubtomo.fourier import Imaging, apply_fourier_filter
from sksubtomo.geometry import rotate_volume
from sksubtomo.persistence import load_model, save_model
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import MultiReferenceClassifier
from sksubtomo.semi_supervised._reference_imaging import given_imaging

SIZE = 12
QUICK = {
    "annealing": Annealing(stages=((3.0, 60.0, 1, 3), (4.0, 45.0, 3, 5)), n_frozen_iter=3),
    "max_shift_voxels": 1.0,
    "random_state": 0,
}


def molecule(code):
    return density(POINTS[code], SIZE)


def imaged(imaging, n=60, noise=0.2, seed=0):
    """Return volumes in random poses, with gains and noise where they are measured."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    rotations, shifts = Rotation.random(n, random_state=seed), rng.uniform(-1, 1, (n, 3))
    imaging = imaging.broadcast(n)
    gains = imaging.gains((SIZE,) * 3).reshape(-1, SIZE, SIZE, SIZE // 2 + 1)[imaging.index]
    X = []
    for k, rotation, shift, gain in zip(y, rotations, shifts, gains, strict=True):
        clean = apply_fourier_filter(rotate_volume(molecule(k), rotation, shift=shift), gain)
        white = noise * rng.normal(size=(SIZE,) * 3).astype(np.float32)
        X.append(clean + apply_fourier_filter(white, (gain != 0).astype(np.float32)))
    return np.stack(X), y


MIXED = Imaging([[-60, 60], [-35, 50]] * 30)


@pytest.fixture(scope="module")
def mixed():
    X, y = imaged(MIXED)
    return X, y, np.where(np.arange(60) < 12, y, -1)


@pytest.fixture(scope="module")
def fitted(mixed):
    X, _, hidden = mixed
    return MultiReferenceClassifier(**QUICK).fit(X, hidden, imaging=MIXED)


def test_mixed_tilts_are_classified(mixed, fitted):
    X, y, hidden = mixed
    assert (fitted.transduction_ == y).mean() > 0.95
    assert fitted.score(X, y, imaging=MIXED) > 0.95
    ranges = np.array([[-60, 60], [-35, 50]] * 30)
    again = MultiReferenceClassifier(**QUICK).fit(X, hidden, tilt_ranges_deg=ranges)
    np.testing.assert_array_equal(again.references_, fitted.references_)
    np.testing.assert_array_equal(
        again.predict_proba(X, tilt_ranges_deg=ranges), fitted.predict_proba(X, imaging=MIXED)
    )
    # Noise is that of measured frequencies: with the wider range for all, it would be less.
    assert fitted.noise_power_[-1] == pytest.approx(0.2**2, rel=0.05)


def test_one_kind_of_imaging_is_the_global_setting():
    X, y = imaged(Imaging(50))
    hidden = np.where(np.arange(60) < 12, y, -1)
    stated = MultiReferenceClassifier(**QUICK, tilt_range_deg=50).fit(X, hidden)
    ranges = np.tile([-50.0, 50.0], (60, 1))
    given = MultiReferenceClassifier(**QUICK).fit(X, hidden, tilt_ranges_deg=ranges)
    np.testing.assert_array_equal(given.references_, stated.references_)
    expected, found = stated.align(X), given.align(X, tilt_ranges_deg=ranges)
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    np.testing.assert_array_equal(found.shifts, expected.shifts)
    np.testing.assert_array_equal(
        given.score_samples(X, tilt_ranges_deg=ranges), stated.score_samples(X)
    )
    # Of one kind, it need not be said again.
    np.testing.assert_array_equal(given.predict_proba(X), stated.predict_proba(X))
    averages = [clf.class_averages(X, refine=False).averages for clf in (given, stated)]
    np.testing.assert_allclose(*averages, atol=1e-6)


def test_predictions_do_not_depend_on_other_volumes(mixed, fitted):
    X, _, _ = mixed
    proba, scores = (
        method(X, imaging=MIXED) for method in (fitted.predict_proba, fitted.score_samples)
    )
    for kind in (0, 1):
        rows = np.arange(kind, 60, 2)
        part = fitted.predict_proba(X[rows], imaging=MIXED[rows])
        np.testing.assert_allclose(part, proba[rows], atol=1e-4)
        part = fitted.score_samples(X[rows], imaging=MIXED[rows])
        np.testing.assert_allclose(part, scores[rows], atol=1e-3)
    # Tilts beyond those of the fit are compared, too.
    wider = fitted.predict_proba(X, tilt_ranges_deg=np.tile([-70, 70], (60, 1)))
    assert np.isfinite(wider).all()


def test_what_is_not_measured_does_not_matter(mixed, fitted):
    X, _, _ = mixed
    noise = np.random.default_rng(1).normal(size=X.shape)
    gains = MIXED.gains((SIZE,) * 3).reshape(-1, SIZE, SIZE, SIZE // 2 + 1)[MIXED.index]
    more = [
        x + apply_fourier_filter(one, (gain == 0).astype(float))
        for x, one, gain in zip(X, noise, gains, strict=True)
    ]
    more = np.stack(more).astype(np.float32)
    for method in (fitted.decision_function, fitted.score_samples):
        np.testing.assert_allclose(
            method(more, imaging=MIXED), method(X, imaging=MIXED), rtol=1e-3, atol=1e-3
        )


def test_contrast_transfer_is_corrected():
    defocus = np.tile([2.0, 7.0], 30)
    imaging = Imaging(60, defocus_um=defocus, voxel_size_angstrom=10.0)
    X, y = imaged(imaging, noise=0.1)
    hidden = np.where(np.arange(60) < 10, y, -1)
    clf = MultiReferenceClassifier(**QUICK).fit(X, hidden, imaging=imaging)
    assert (clf.transduction_ == y).mean() > 0.95
    found = clf.class_averages(X, clf.poses_, imaging=imaging)
    assert found.n_volumes.sum() == 60
    # References are the molecules, not what the microscope made of them.
    X_plain, _ = imaged(Imaging(60), noise=0.1)
    plain = MultiReferenceClassifier(**QUICK).fit(X_plain, hidden)
    power, expected = ((one.references_**2).sum(axis=(1, 2, 3)) for one in (clf, plain))
    np.testing.assert_allclose(power, expected, rtol=0.35)
    spread = (MultiReferenceClassifier(**QUICK).fit(X, hidden).references_ ** 2).sum((1, 2, 3))
    assert (spread < 0.5 * power).all()


def test_imaging_has_to_be_that_of_the_volumes(mixed, fitted):
    X, _, hidden = mixed
    with pytest.raises(ValueError, match="fit was given 2 kinds of imaging"):
        fitted.predict(X)
    with pytest.raises(ValueError, match="but X has 60"):
        fitted.predict(X, imaging=MIXED[:7])
    with pytest.raises(ValueError, match="not both"):
        fitted.predict(X, imaging=MIXED, tilt_ranges_deg=np.tile([-60, 60], (60, 1)))
    with pytest.raises(ValueError, match=r"shape \(3, 2\); 60 volumes need \(60, 2\)"):
        clone(fitted).fit(X, hidden, tilt_ranges_deg=np.tile([-60, 60], (3, 1)))
    with pytest.raises(TypeError, match="imaging is list"):
        fitted.predict(X, imaging=[60] * 60)
    lines = np.random.default_rng(0).normal(size=(20, 30))
    with pytest.raises(ValueError, match="Set volume_shape"):
        MultiReferenceClassifier().fit(lines, np.arange(20) % 2, imaging=Imaging(60))


def test_metadata_is_routed(mixed):
    X, y, hidden = mixed
    with sklearn.config_context(enable_metadata_routing=True):
        clf = MultiReferenceClassifier(**QUICK)
        clf.set_fit_request(imaging=True).set_predict_request(imaging=True)
        pipeline = make_pipeline(VolumeNormalizer(), clf).fit(X, hidden, imaging=MIXED)
        assert (pipeline.predict(X, imaging=MIXED) == y).mean() > 0.9


def test_models_are_saved_with_it(mixed, fitted, tmp_path):
    X, _, _ = mixed
    save_model(fitted, tmp_path / "model.skst")
    again = load_model(tmp_path / "model.skst")
    np.testing.assert_array_equal(
        again.predict_proba(X, imaging=MIXED), fitted.predict_proba(X, imaging=MIXED)
    )


def test_another_tilt_axis_is_used():
    X, y = imaged(Imaging(60))
    hidden = np.where(np.arange(60) < 12, y, -1)
    right = MultiReferenceClassifier(**QUICK).fit(X, hidden)
    assert right.tilt_geometry_.tilt_axis == "y"
    turned = np.rot90(X, axes=(2, 3))
    with pytest.warns(ImagingWarning, match="References are fitted with these"):
        clf = MultiReferenceClassifier(**QUICK).fit(turned, hidden)
    assert (clf.tilt_geometry_.tilt_axis, clf.tilt_geometry_.beam) == ("x", "z")
    assert (clf.transduction_ == y).mean() >= (right.transduction_ == y).mean() - 0.02
    assert (clf.predict(turned) == y).mean() > 0.95
    # Stated, there is nothing to warn of.
    stated = MultiReferenceClassifier(**QUICK).fit(turned, hidden, imaging=Imaging(tilt_axes="x"))
    np.testing.assert_array_equal(stated.references_, clf.references_)
    each = np.tile([-60, 60], (60, 1))
    with pytest.warns(ImagingWarning, match="tilt axis x"):
        ranges = MultiReferenceClassifier(**QUICK).fit(turned, hidden, tilt_ranges_deg=each)
    np.testing.assert_array_equal(ranges.references_, clf.references_)
    # Axes that were found are those of the volumes to predict.
    expected = clf.predict_proba(turned)
    for one in (clf, ranges):
        found = one.predict_proba(turned, tilt_ranges_deg=each)
        np.testing.assert_array_equal(found, expected)


def test_fewer_tilts_are_used():
    X, y = imaged(Imaging(45), noise=0.1)
    hidden = np.where(np.arange(60) < 12, y, -1)
    with pytest.warns(ImagingWarning, match="next to no power at tilts below"):
        clf = MultiReferenceClassifier(**QUICK).fit(X, hidden)
    np.testing.assert_allclose(clf.tilt_geometry_.tilt_range_deg, (-45, 45), atol=6)
    stated = MultiReferenceClassifier(**QUICK, tilt_range_deg=45).fit(X, hidden)
    assert (clf.transduction_ == y).mean() >= (stated.transduction_ == y).mean() - 0.02
    assert (clf.transduction_ == y).mean() > 0.95


def test_inverted_volumes_are_found():
    X, y = imaged(Imaging(60), n=90)
    hidden = np.where(np.arange(90) < 30, y, -1)
    contrast = np.where(np.random.default_rng(3).random(90) < 0.25, -1, 1)
    mixed = X * contrast[:, None, None, None].astype(np.float32)
    right = MultiReferenceClassifier(**QUICK).fit(X, hidden)
    assert (right.contrast_ == 1).all()
    with pytest.warns(InvertedContrastWarning, match=r"of 30 labeled volumes.*of all 90 volumes"):
        clf = MultiReferenceClassifier(**QUICK).fit(mixed, hidden)
    assert (clf.contrast_ == contrast).mean() > 0.97
    assert (clf.transduction_ == y).mean() >= (right.transduction_ == y).mean() - 0.02
    assert (clf.predict(mixed) == y).mean() >= (right.predict(X) == y).mean() - 0.02
    found = clf.align(mixed, refine=True)
    assert (found.contrast == contrast).mean() > 0.97
    averages = [one.class_averages(v, refine=False) for one, v in ((clf, mixed), (right, X))]
    power = [(one.averages**2).sum() for one in averages]
    assert power[0] == pytest.approx(power[1], rel=0.2)


def test_inverted_references_begin_inverted():
    X, y = imaged(Imaging(60))
    hidden = np.where(np.arange(60) < 12, y, -1)
    given = np.stack([molecule(0), molecule(1)])
    right = MultiReferenceClassifier(**QUICK, references_init=given).fit(X, hidden)
    with pytest.warns(ImagingWarning, match="which is what this fit begins with"):
        clf = MultiReferenceClassifier(**QUICK, references_init=-given).fit(X, hidden)
    np.testing.assert_allclose(clf.references_, right.references_, atol=1e-5)
    assert (clf.transduction_ == y).mean() > 0.9


def test_stacks_carry_imaging():
    class Stack:
        imaging = MIXED
        _box_size = SIZE

    volumes = np.zeros((60, SIZE, SIZE, SIZE), np.float32)
    assert given_imaging(Stack(), volumes).n_kinds == 2
    Stack.imaging = Imaging(60, defocus_um=3.0, voxel_size_angstrom=10.0)
    with pytest.raises(ValueError, match="cropped or binned since"):
        given_imaging(Stack(), volumes[:, :8, :8, :8])


def test_gains_go_with_the_volumes():
    """Many kinds of imaging give what templates times their gains would give."""
    from sksubtomo.alignment import PoseGrid, expectation, posterior_sums, shift_grid
    from sksubtomo.geometry import rotation_grid

    imaging = Imaging(
        [[-60, 60], [-30, 70], [-80, 10]], defocus_um=[2, 5, 8], voxel_size_angstrom=12
    )
    params = {"n_shells": 5.0, "rotations": rotation_grid(60.0), "shifts": shift_grid(1.0, 3)}
    poses = PoseGrid(SIZE, 10, imaging=imaging, **params)
    rng = np.random.default_rng(0)
    volumes = rng.normal(size=(3, SIZE, SIZE, SIZE)).astype(np.float32)
    maps = torch.from_numpy(rng.normal(size=(2, 10, 10, 10)).astype(np.float32))
    kinds = torch.arange(3)
    measured = (poses.gains.values != 0)[kinds]
    data = poses.coefficients(volumes) * measured
    n_shells = int(poses.shells.max()) + 1
    noise = torch.linspace(1, 2, n_shells)
    result = expectation(poses, data, maps, noise, kinds=kinds, coverage=1.0)
    templates, values = poses.templates(maps), poses.unshift(data)
    precision = (1 / noise)[poses.shells]
    sums, weights = posterior_sums(poses, data, noise, result, torch.ones(3, 2), kinds)
    expected_sums, expected_weights = torch.zeros_like(sums), torch.zeros_like(weights)
    for row in range(3):
        gain = poses.gains.values[row].tile(2)
        seen = templates * gain
        cross = torch.einsum("krf,sf->krs", seen * precision, values[row])
        log = cross - (seen.square() @ precision)[..., None] / 2
        evidence = log.flatten(1).logsumexp(1) - np.log(log[0].numel())
        np.testing.assert_allclose(result.log_evidence[row], evidence, rtol=1e-3, atol=1e-3)
        posterior = log.flatten(1).softmax(1).view(log.shape)
        matched = values[row] * gain * precision.sqrt()
        expected_sums += torch.einsum("krs,sf->krf", posterior, matched)
        square = poses.gains.values[row].square()
        expected_weights += posterior.sum(-1)[..., None] * square
    # Poses below a thousandth of the best are left out.
    scale = float(expected_sums.abs().max())
    np.testing.assert_allclose(sums, expected_sums, atol=0.02 * scale)
    np.testing.assert_allclose(weights, expected_weights, atol=0.02)
