import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from sklearn.base import clone

from sksubtomo.datasets import load_density, make_tomogram
from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask
from sksubtomo.geometry import rotate_volume, rotation_grid
from sksubtomo.io import extract_subtomograms
from sksubtomo.picking import (
    DifferenceOfGaussiansPicker,
    TemplateMatchingPicker,
    ball_mask,
    evaluate_picks,
    match_template,
    pick_dog_then_template,
)
from sksubtomo.picking import _correlation as module


def brute_force(tomogram, template, mask, rotations, tilt_range):
    """The correlation coefficient under the mask, written out, at voxels whose box is inside."""
    size = len(template)
    wedge = missing_wedge_mask(template.shape, tilt_range)
    turned = [apply_fourier_filter(rotate_volume(template, r), wedge) for r in rotations]
    scores = np.zeros((len(turned), *tomogram.shape))
    weights = mask / mask.sum()
    for place in np.ndindex(*(edge - size + 1 for edge in tomogram.shape)):
        box = tomogram[tuple(slice(p, p + size) for p in place)].astype(float)
        box = box - (weights * box).sum()
        for number, other in enumerate(turned):
            other = other - (weights * other).sum()
            top = (weights * box * other).sum()
            norm = np.sqrt((weights * box**2).sum() * (weights * other**2).sum())
            scores[(number, *(p + size // 2 for p in place))] = top / norm
    return scores


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("tilt_range", [60.0, (-30.0, 70.0)])
def test_agrees_with_brute_force(size, tilt_range):
    rng = np.random.default_rng(0)
    tomogram = rng.normal(5.0, 1.0, (12, 14, 13)).astype(np.float32)
    template = rng.normal(size=(size,) * 3).astype(np.float32)
    mask = ball_mask(size, 3.0)
    rotations = Rotation.random(4, rng=rng)
    expected = brute_force(tomogram, template, mask, rotations, tilt_range)
    scores, best = match_template(tomogram, template, mask, rotations, tilt_range_deg=tilt_range)
    half, upper = size // 2, (size - 1) // 2
    inside = tuple(slice(half, edge - upper) for edge in tomogram.shape)
    np.testing.assert_allclose(scores[inside], expected.max(axis=0)[inside], atol=1e-4)
    assert np.array_equal(best[inside], expected.argmax(axis=0)[inside])


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(1)
    tomogram = rng.normal(size=(20, 33, 28)).astype(np.float32)
    template = rng.normal(size=(7, 7, 7)).astype(np.float32)
    rotations = Rotation.random(3, rng=rng)
    whole, _ = match_template(tomogram, template, ball_mask(7, 3.0), rotations)
    monkeypatch.setattr(module, "_BLOCK", 10)
    parts, _ = match_template(tomogram, template, ball_mask(7, 3.0), rotations)
    np.testing.assert_allclose(parts[3:-3, 3:-3, 3:-3], whole[3:-3, 3:-3, 3:-3], atol=1e-4)


def test_a_perfect_match_scores_one_whatever_the_scale():
    rng = np.random.default_rng(2)
    template = rng.normal(size=(9, 9, 9)).astype(np.float32)
    turn = rotation_grid(60.0)[7]
    wedge = missing_wedge_mask((9, 9, 9), 60)
    tomogram = np.full((25, 25, 25), 1e3, dtype=np.float32)
    tomogram[8:17, 6:15, 9:18] += 50 * apply_fourier_filter(rotate_volume(template, turn), wedge)
    picker = TemplateMatchingPicker(template, angular_step_deg=60.0, max_picks=1)
    picks = picker.pick(tomogram)
    assert picks.coordinates.tolist() == [[12, 10, 13]]
    assert picks.scores[0] == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(np.abs(picks.orientations[0] @ turn.as_quat()), 1, atol=1e-6)
    # Nothing where there is nothing.
    scores, _ = picker.score_map(np.full((12, 12, 12), 7.0))
    assert np.abs(scores).max() < 1e-3


@pytest.fixture(scope="module")
def crowd():
    return make_tomogram(
        ["groel", "ubid"],
        n_particles=16,
        shape=(40, 80, 80),
        box_size=20,
        voxel_size_angstrom=16.0,
        snr=0.5,
        random_state=0,
    )


def groel_picker(**params):
    density = load_density("groel", voxel_size_angstrom=16.0)
    return TemplateMatchingPicker(-density, angular_step_deg=30.0, symmetry="D7", **params)


def test_finds_its_own_kind_in_a_crowd(crowd):
    n = int((crowd.y == 0).sum())
    picks = groel_picker(max_picks=n).pick(crowd.tomogram)
    truth = crowd.coordinates[crowd.y == 0]
    scores = evaluate_picks(
        picks.coordinates, truth, tolerance_angstrom=50.0, voxel_size_angstrom=16.0
    )
    assert scores.f1 > 0.8


def test_the_papers_route(crowd):
    n = int((crowd.y == 0).sum())
    dog = DifferenceOfGaussiansPicker(140.0, 16.0, threshold=2.0)
    picks = pick_dog_then_template(crowd.tomogram, dog, groel_picker(), n_best=n)
    assert len(picks.scores) == n
    assert picks.orientations.shape == (n, 4)
    truth = crowd.coordinates[crowd.y == 0]
    scores = evaluate_picks(
        picks.coordinates, truth, tolerance_angstrom=50.0, voxel_size_angstrom=16.0
    )
    assert scores.f1 > 0.8


def test_orientations_turn_the_template_onto_the_particle(crowd):
    density = load_density("groel", voxel_size_angstrom=16.0)
    picks = groel_picker(max_picks=4).pick(crowd.clean)
    boxes = extract_subtomograms(crowd.clean, picks.coordinates, len(density))
    for box, quaternion in zip(boxes, picks.orientations, strict=True):
        turned = -rotate_volume(density, Rotation.from_quat(quaternion))
        mask = ball_mask(len(density), 6.0) > 0.5
        turned = apply_fourier_filter(turned, missing_wedge_mask(turned.shape, 60))
        assert np.corrcoef(turned[mask], box[mask])[0, 1] > 0.5


@pytest.mark.gpu
def test_gpu_equals_cpu(crowd):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    first, second = (groel_picker(device=d).score_map(crowd.tomogram)[0] for d in ("cpu", "cuda"))
    np.testing.assert_allclose(first, second, atol=1e-4)


@pytest.mark.parametrize(
    ("template", "params", "message"),
    [
        (np.zeros((5, 5, 5)), {}, "template is constant"),
        (np.zeros((5, 5, 6)), {}, "it must be a cube"),
        (np.zeros((5, 5)), {}, "one volume of numbers"),
        (np.ones((30, 30, 30)), {}, r"the template \(30, 30, 30\)"),
        (np.eye(5)[None] * np.ones((5, 1, 1)), {"angular_step_deg": 0.0}, "'angular_step_deg'"),
        (np.eye(5)[None] * np.ones((5, 1, 1)), {"tilt_range_deg": (5, 1)}, "tilt_range_deg"),
    ],
)
def test_bad_input(template, params, message):
    picker = clone(TemplateMatchingPicker(template, **{"angular_step_deg": 60.0, **params}))
    with pytest.raises(ValueError, match=message):
        picker.pick(np.random.default_rng(0).normal(size=(12, 12, 12)))
