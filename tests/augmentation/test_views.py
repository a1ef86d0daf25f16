import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from sksubtomo.augmentation._rotation_average import average_over_rotations
from sksubtomo.augmentation._views import (
    WedgeAwareAugmentation,
    add_noise,
    apply_wedge,
    jitter_contrast,
    keep_ball,
    random_low_pass,
    random_rotations,
    rotate_volumes,
    shift_volumes,
)
from sksubtomo.datasets._blobs import render_blobs
from sksubtomo.fourier import apply_fourier_filter, gaussian_low_pass, missing_wedge_mask
from sksubtomo.geometry import rotate_volume

# x, y, z of three blobs that tell axes and hands apart.
CORNER = np.array([[60.0, 0.0, 0.0], [0.0, 40.0, 0.0], [0.0, 40.0, 0.0], [0.0, 0.0, 50.0]])
QUARTER_TURN = Rotation.from_euler("z", 90, degrees=True)
EVERYTHING = {"max_shift_voxels": 2.0, "noise_std": 0.3, "contrast": 0.2, "low_pass": (0.2, 0.4)}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def white_noise(n=2, d=12, dtype=torch.float32):
    return torch.randn(n, 1, d, d, d, generator=seeded(42), dtype=dtype)


def phantom(box_size=20, centers=CORNER, sigma=14.0):
    return torch.from_numpy(render_blobs(centers, sigma, box_size, 8.0))[None, None].float()


def matrix_of(rotation):
    return torch.from_numpy(np.atleast_3d(rotation.as_matrix()).reshape(-1, 3, 3)).float()


def frequencies(d):
    k = torch.fft.fftfreq(d)
    return (k[:, None, None] ** 2 + k[:, None] ** 2 + k**2).sqrt()


def inner_ball(d, margin):
    axis = torch.arange(d) - d // 2
    squared = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2
    return squared <= (d / 2 - margin) ** 2


def power_by_shell(volumes, shells, width=0.025):
    power = torch.fft.fftn(volumes, dim=(-3, -2, -1)).abs().square()
    k = frequencies(volumes.shape[-1])
    return torch.stack([power[..., (k - shell).abs() < width].mean() for shell in shells])


def test_orientations_are_uniform():
    n = 20_000
    matrices = random_rotations(n, seeded()).double()
    identity = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(matrices @ matrices.mT, identity.expand(n, 3, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.linalg.det(matrices), torch.ones(n).double())
    zeros, third = torch.zeros(3, 3).double(), torch.full((3, 3), 1 / 3).double()
    torch.testing.assert_close(matrices.mean(0), zeros, atol=0.02, rtol=0)
    torch.testing.assert_close(matrices.square().mean(0), third, atol=0.01, rtol=0)
    # The density of the angle is (1 - cos a) / pi.
    angles = ((matrices.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2).clamp(-1, 1).acos()
    assert angles.mean() == pytest.approx(math.pi / 2 + 2 / math.pi, abs=0.02)
    below = (angles < 2.0).double().mean()
    assert below == pytest.approx((2.0 - math.sin(2.0)) / math.pi, abs=0.015)


@pytest.mark.parametrize("outside", ["wrap", "zeros"])
@pytest.mark.parametrize("box_size", [19, 20])
def test_rotates_as_scipy_does(box_size, outside):
    volume = phantom(box_size, CORNER / 2)
    rotations = Rotation.random(4, rng=np.random.default_rng(0))
    turned = rotate_volumes(volume.expand(4, -1, -1, -1, -1), matrix_of(rotations), outside=outside)
    for one, rotation in zip(turned, rotations, strict=True):
        expected = rotate_volume(volume[0, 0].numpy(), rotation)
        compared = inner_ball(box_size, 1) if outside == "wrap" else ...
        np.testing.assert_allclose(
            one[0].numpy()[compared], expected[compared], atol=0.015 * float(volume.max())
        )


def test_quarter_turns_of_odd_boxes():
    volume, inside = white_noise(1, 13), (slice(1, -1),) * 3
    expected = torch.from_numpy(rotate_volume(volume[0, 0].numpy(), QUARTER_TURN))
    exact = rotate_volumes(volume, matrix_of(QUARTER_TURN), oversampling=1, outside="zeros")
    # On the faces, rounding decides what scipy takes as beyond the box.
    torch.testing.assert_close(exact[0, 0][inside], expected[inside], atol=1e-4, rtol=0)
    expected = volume[0, 0].rot90(1, (2, 1))
    torch.testing.assert_close(exact[0, 0], expected, atol=1e-4, rtol=0)
    # Finer samples lie off the lattice: nearly exact only, and but for Fourier space's corners.
    turned = rotate_volumes(volume, matrix_of(QUARTER_TURN))
    difference = turned - keep_ball(expected[None, None])
    assert difference.std() < 0.03 * turned.std()


def test_what_comes_into_the_corners():
    ones = torch.ones(1, 1, 12, 12, 12)
    eighth = matrix_of(Rotation.from_euler("z", 45, degrees=True))
    torch.testing.assert_close(rotate_volumes(ones, eighth), ones)
    holed = rotate_volumes(ones, eighth, outside="zeros")[0, 0]
    assert (holed[:, 0, 0] == 0).all()
    assert holed[inner_ball(12, 1)].sub(1).abs().max() < 1e-5


def test_rotation_keeps_the_power_spectrum():
    volumes = white_noise(64, 24)
    matrices = random_rotations(64, seeded())
    shells = torch.arange(0.1, 0.41, 0.05)
    before = power_by_shell(volumes, shells)
    kept = power_by_shell(rotate_volumes(volumes, matrices), shells) / before
    assert (kept - 1).abs().max() < 0.05
    smoothed = power_by_shell(rotate_volumes(volumes, matrices, oversampling=1), shells) / before
    assert smoothed[-1] < 0.45


def test_the_identity_is_as_sharp_as_other_rotations():
    volumes = white_noise(4, 16)
    kept = rotate_volumes(volumes, torch.eye(3).expand(4, 3, 3))
    assert (kept - keep_ball(volumes)).std() < 0.03 * kept.std()


@pytest.mark.parametrize("d", [17, 18])
def test_back_and_forth_is_the_ball_of_frequencies(d):
    # Narrow blobs, with power up to Nyquist.
    volumes = phantom(d, CORNER * 0.8, sigma=6.0).expand(6, -1, -1, -1, -1)
    matrices = random_rotations(6, seeded())
    again = rotate_volumes(rotate_volumes(volumes, matrices), matrices.mT)
    difference = ((again - keep_ball(volumes)) * inner_ball(d, 2)).square().sum()
    assert (difference / keep_ball(volumes).square().sum()).sqrt() < 0.05


def test_a_molecule_never_becomes_its_mirror_image():
    hidden, turns = random_rotations(1, seeded(1)), random_rotations(400, seeded(2))
    near = hidden @ matrix_of(Rotation.from_rotvec([0.05, 0.05, 0.05]))
    turns = torch.cat([turns, near])
    volume, mirror = phantom(16, sigma=12.0), phantom(16, CORNER * [1, 1, -1], sigma=12.0)

    def best_correlation(other):
        target = rotate_volumes(other, hidden).flatten()
        copies = rotate_volumes(volume.expand(len(turns), -1, -1, -1, -1), turns).flatten(1)
        return max(float(torch.corrcoef(torch.stack([copy, target]))[0, 1]) for copy in copies)

    assert best_correlation(volume) > 0.95
    assert best_correlation(mirror) < 0.85


@pytest.mark.parametrize("d", [12, 13])
@pytest.mark.parametrize("tilts", [60, (-40.0, 65.0), torch.tensor([-50.0, 20.0])])
def test_wedge_is_that_of_fourier(d, tilts):
    volumes = white_noise(2, d)
    bounds = tilts if isinstance(tilts, int) else tuple(float(tilt) for tilt in tilts)
    expected = apply_fourier_filter(volumes.numpy(), missing_wedge_mask((d, d, d), bounds))
    np.testing.assert_allclose(apply_wedge(volumes, tilts).numpy(), expected, atol=1e-5)


def test_every_particle_has_its_own_wedge():
    volumes, ranges = white_noise(3), torch.tensor([[-60.0, 60.0], [-40.0, 65.0], [-60.0, 60.0]])
    together = apply_wedge(volumes, ranges)
    for i, (lowest, highest) in enumerate(ranges.tolist()):
        torch.testing.assert_close(
            together[i : i + 1], apply_wedge(volumes[i : i + 1], (lowest, highest))
        )


@pytest.mark.parametrize("d", [12, 13])
def test_copies_hold_nothing_outside_the_wedge(d):
    augment = WedgeAwareAugmentation((-50.0, 60.0), **EVERYTHING)
    for tilts in (None, torch.tensor([[-60.0, 60.0], [-30.0, 40.0]])):
        copies = augment(white_noise(2, d), seeded(), tilts)
        bounds = [(-50.0, 60.0)] * 2 if tilts is None else tilts.tolist()
        power = torch.fft.rfftn(copies.double(), dim=(-3, -2, -1)).abs().square()[:, 0]
        for one, own in zip(power, bounds, strict=True):
            measured = torch.from_numpy(missing_wedge_mask((d, d, d), tuple(own)))
            assert one[~measured].sum() < 1e-10 * one.sum()


@pytest.mark.parametrize("d", [8, 9])
def test_shifts(d):
    volumes = white_noise(2, d)
    moved = shift_volumes(volumes, torch.tensor([[1.0, -2.0, 3.0], [0.0, 5.0, -1.0]]))
    torch.testing.assert_close(moved[0, 0], volumes[0, 0].roll((1, -2, 3), (0, 1, 2)))
    torch.testing.assert_close(moved[1, 0], volumes[1, 0].roll((0, 5, -1), (0, 1, 2)))
    halves = torch.tensor([[0.5, 0.25, -0.75]]).expand(2, 3)
    ball = keep_ball(volumes)
    torch.testing.assert_close(shift_volumes(shift_volumes(ball, halves), -halves), ball)


def test_shift_goes_with_the_axes_of_rotate_volume():
    volume, shift = phantom(20), (0.5, -1.25, 2.0)
    expected = rotate_volume(volume[0, 0].numpy(), Rotation.identity(), shift=shift)
    moved = shift_volumes(volume, torch.tensor([shift]))[0, 0].numpy()
    inside = (slice(3, -3),) * 3
    np.testing.assert_allclose(moved[inside], expected[inside], atol=0.01 * expected.max())


def test_low_pass_noise_and_contrast():
    volumes = white_noise(3)
    expected = gaussian_low_pass(volumes.numpy(), 0.2)
    filtered = random_low_pass(volumes, (0.2, 0.2), seeded())
    np.testing.assert_allclose(filtered.numpy(), expected, atol=1e-5)
    assert (add_noise(volumes, 0.5, seeded()) - volumes).std() == pytest.approx(0.5, rel=0.05)
    changed = jitter_contrast(volumes, 0.3, seeded()).flatten(1)
    scale = changed.std(dim=1) / volumes.flatten(1).std(dim=1)
    offset = changed.mean(dim=1) - scale * volumes.flatten(1).mean(dim=1)
    assert ((scale - 1).abs() < 0.3).all()
    assert (offset.abs() < 0.3).all()
    assert len(set(scale.tolist() + offset.tolist())) == 6


def test_one_seed_gives_the_same_copies():
    volumes, augment = white_noise(), WedgeAwareAugmentation(**EVERYTHING)
    state = torch.get_rng_state()
    first, again, other = (augment(volumes, seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert torch.equal(torch.get_rng_state(), state)
    none = WedgeAwareAugmentation(None, rotate=False)
    assert torch.equal(none(volumes, seeded()), volumes)


def test_gradients_are_right():
    volumes = white_noise(1, 4, torch.float64).requires_grad_()
    augment = WedgeAwareAugmentation(**EVERYTHING)
    for oversampling in (1, 2):
        augment.oversampling = oversampling
        assert torch.autograd.gradcheck(lambda v: augment(v, seeded()), (volumes,))


def test_average_over_rotations():
    volumes = white_noise(5)

    def function(copies):
        return torch.stack([copies.amax((1, 2, 3, 4)), copies.var((1, 2, 3, 4))], dim=1)

    together = average_over_rotations(function, volumes, 3, seeded(7))
    parts = [average_over_rotations(function, part, 3, seeded(7)) for part in volumes.split(2)]
    torch.testing.assert_close(torch.cat(parts), together)
    outputs = [
        function(apply_wedge(rotate_volumes(volumes, matrix.expand(5, 3, 3))))
        for matrix in random_rotations(3, seeded(7))
    ]
    torch.testing.assert_close(torch.stack(outputs).mean(0), together)


@pytest.mark.gpu
def test_gpu_equals_cpu():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    volumes, augment = white_noise(4), WedgeAwareAugmentation(**EVERYTHING)
    expected = augment(volumes, seeded())
    torch.testing.assert_close(augment(volumes.cuda(), seeded()).cpu(), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: apply_wedge(v[0]), r"volumes has shape \(1, 12, 12, 12\)"),
        (lambda v: keep_ball(v[:, :, 1:]), "volumes has shape"),
        (lambda v: keep_ball(v.long()), "volumes has dtype torch.int64"),
        (lambda v: rotate_volumes(v, torch.eye(3)), r"matrices has shape \(3, 3\)"),
        (lambda v: rotate_volumes(v, torch.zeros(2, 3, 3), oversampling=0), "oversampling=0"),
        (lambda v: rotate_volumes(v, torch.zeros(2, 3, 3), outside="mean"), "outside='mean'"),
        (lambda v: shift_volumes(v, torch.zeros(3)), r"shifts has shape \(3,\)"),
        (lambda v: apply_wedge(v, 95), "tilt_range_deg="),
        (lambda v: apply_wedge(v, (1.0, 2.0, 3.0)), "tilt_range_deg="),
        (lambda v: apply_wedge(v, torch.zeros(3, 2)), r"tilt_range_deg has shape \(3, 2\)"),
        (lambda v: add_noise(v, -1.0, seeded()), "std=-1.0"),
        (lambda v: jitter_contrast(v, 1.0, seeded()), "amount=1.0"),
        (lambda v: random_low_pass(v, (0.3, 0.2), seeded()), "cutoffs"),
        (lambda v: WedgeAwareAugmentation(contrast=1.5), "contrast=1.5"),
        (lambda v: WedgeAwareAugmentation(noise_std=-1), "noise_std=-1"),
        (lambda v: WedgeAwareAugmentation(low_pass=(0, 1)), "low_pass"),
        (lambda v: average_over_rotations(torch.sum, v, 0, seeded()), "n_rotations=0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(white_noise())
