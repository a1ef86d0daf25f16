"""References in all poses: the geometry, the two steps, and their closed forms."""

import numpy as np
import pytest
import torch
from scipy import fft
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation
from scipy.stats import multivariate_normal

from sksubtomo.alignment import (
    IdentityPose,
    MultiReferenceEM,
    PoseGrid,
    annealed_responsibilities,
    class_log_bias,
    expectation,
    measured_frequencies,
    posterior_sums,
    shell_power,
    shift_grid,
)
from sksubtomo.alignment import _expectation as engine
from sksubtomo.alignment._interpolation import TrilinearSampling
from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask, squared_frequencies
from sksubtomo.geometry import rotate_volume, rotation_grid

SIZE = 16


def blobs(seed, size=SIZE, n=6, reach=3.0, width=1.6):
    """A smooth chiral density of Gaussian blobs within a sphere about the center."""
    centers = np.random.default_rng(seed).uniform(-reach, reach, (n, 3))
    grid = np.stack(np.indices((size,) * 3), axis=-1) - size // 2
    squares = ((grid[..., np.newaxis, :] - centers) ** 2).sum(axis=-1)
    return np.exp(-squares / (2 * width**2)).sum(axis=-1).astype(np.float32)


def make_poses(rotations, shifts=((0.0, 0.0, 0.0),), **params):
    params = {"n_shells": 5.0, "tilt_range_deg": 60.0, **params}
    size = params.pop("size", SIZE)
    inner = params.pop("inner", size)
    return PoseGrid(size, inner, rotations=rotations, shifts=np.array(shifts), **params)


def as_tensor(*maps):
    return torch.from_numpy(np.stack(maps))


def all_of_one(data):
    """Shares of the one class there is."""
    return torch.ones(len(data), 1)


# --- Frequencies and poses -----------------------------------------------------------------------


@pytest.mark.parametrize("tilt_range", [60.0, (-40.0, 65.0)])
def test_frequencies_are_half_of_the_measured_ball(tilt_range):
    frequencies, index = measured_frequencies(12, 5.0, tilt_range)
    flat = np.flatnonzero(missing_wedge_mask((12, 12, 12), tilt_range))
    assert np.isin(index, flat).all()
    kx, ky, kz = frequencies.T
    assert np.array_equal(np.ravel_multi_index((kz % 12, ky % 12, kx), (12, 12, 7)), index)
    radius = np.linalg.norm(frequencies, axis=1)
    assert 0 < radius.min() <= radius.max() < 5
    both = {tuple(k) for k in frequencies} | {tuple(-k) for k in frequencies}
    assert len(both) == 2 * len(frequencies)
    angles = np.degrees(np.arctan2(kz, kx))[(kx > 0)]
    low, high = (-60, 60) if np.isscalar(tilt_range) else tilt_range
    assert angles.min() >= low - 1e-9
    assert angles.max() <= high + 1e-9


def test_moments_of_the_rotations_are_those_of_uniform_ones():
    matrices = rotation_grid(28.5).as_matrix()
    assert len(matrices) in range(590, 615)
    assert np.abs(matrices.mean(axis=0)).max() < 0.02
    second = np.einsum("nij,nkl->ijkl", matrices, matrices) / len(matrices)
    expected = np.einsum("ik,jl->ijkl", np.eye(3), np.eye(3)) / 3
    assert np.abs(second - expected).max() < 0.02


@pytest.mark.parametrize("size", [15, 16, 33])
def test_coefficients_are_those_of_the_whole_transform(size):
    volumes = np.random.default_rng(0).normal(size=(3, size, size, size)).astype(np.float32)
    poses = PoseGrid(
        size, 14, n_shells=6.5, rotations=Rotation.identity(1), shifts=np.zeros((1, 3))
    )
    centered = np.fft.ifftshift(volumes, axes=(1, 2, 3))
    kx, ky, kz = poses.frequencies.T
    whole = np.fft.fftn(centered, axes=(1, 2, 3))[:, kz, ky, kx] * np.sqrt(2 / size**3)
    np.testing.assert_allclose(poses.coefficients(volumes), whole, atol=1e-5)


def test_white_noise_has_its_variance_in_every_coefficient():
    noise = np.random.default_rng(0).normal(scale=3.0, size=(400, 8, 8, 8)).astype(np.float32)
    poses = make_poses(Rotation.identity(1), size=8, n_shells=4.0)
    values = poses.unshift(poses.coefficients(noise))[:, 0]
    np.testing.assert_allclose(values.var(dim=0).mean(), 9.0, rtol=0.02)
    np.testing.assert_allclose(shell_power(poses, poses.coefficients(noise))[1:], 9.0, rtol=0.1)


@pytest.mark.parametrize("inner", [16, 12])
def test_templates_are_rotated_maps(inner):
    rotations = Rotation.random(4, random_state=0)
    reference = blobs(0)
    poses = make_poses(rotations, inner=inner)
    templates = poses.templates(poses.from_references(reference[np.newaxis]))[0]
    for template, rotation in zip(templates, rotations, strict=True):
        rotated = rotate_volume(reference, rotation)
        expected = poses.unshift(poses.coefficients(rotated[np.newaxis]))[0, 0]
        error = (template - expected).norm() / expected.norm()
        assert error < 0.05


def test_a_shift_is_a_phase():
    shifts = shift_grid(1.5, 3)
    reference = blobs(1)
    poses = make_poses(Rotation.identity(1), shifts)
    moved = np.stack([rotate_volume(reference, Rotation.identity(), shift=s) for s in shifts])
    values = poses.unshift(poses.coefficients(moved))
    undone = values[np.arange(27), np.arange(27)]
    still = poses.unshift(poses.coefficients(reference[np.newaxis]))[0, 13]
    assert ((undone - still).norm(dim=1) / still.norm()).max() < 0.02


def test_interpolation_and_its_adjoint():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 8, (5, 7, 3))
    points[0, 0] = 8.0  # the last voxel
    sampling = TrilinearSampling(points, 9)
    grids = torch.from_numpy(rng.normal(size=(2, 9, 9, 9)).astype(np.float32))
    sampled = sampling.sample(grids)
    assert sampled.shape == (2, 5, 7)
    for grid, found in zip(grids, sampled, strict=True):
        expected = map_coordinates(grid.numpy(), points.reshape(-1, 3)[:, ::-1].T, order=1)
        np.testing.assert_allclose(found.flatten(), expected, atol=1e-5)
    values = torch.from_numpy(rng.normal(size=(2, 5, 7)).astype(np.float32))
    forth = (sampled.double() * values).sum()
    back = (grids.double() * sampling.adjoint(values)).sum()
    assert float(forth) == pytest.approx(float(back), rel=1e-4)


def test_references_survive_the_smaller_box():
    poses = make_poses(Rotation.identity(1), size=17, inner=12)
    maps = poses.to_maps(poses.coefficients(np.stack([blobs(s, size=17) for s in (0, 1)])))
    references = poses.to_references(maps)
    assert references.shape == (2, 17, 17, 17)
    np.testing.assert_allclose(poses.from_references(references), maps, atol=1e-5)


# --- E step --------------------------------------------------------------------------------------


def test_evidence_is_that_of_brute_force():
    rng = np.random.default_rng(0)
    rotations, shifts = Rotation.random(5, random_state=1), shift_grid(1.0, 2)
    references = [blobs(0), blobs(1)]
    volumes = np.stack([rotate_volume(blobs(0), rotations[2], shift=(1, -1, 0)), blobs(1)])
    volumes = volumes + rng.normal(scale=0.5, size=volumes.shape).astype(np.float32)
    poses = make_poses(rotations, shifts)
    noise = torch.linspace(0.2, 0.6, 6)
    result = expectation(poses, poses.coefficients(volumes), as_tensor(*references), noise)
    # By hand: rotated and shifted maps, all in real space but for one filter.
    radius = np.sqrt(squared_frequencies((SIZE,) * 3)) * SIZE
    shell = np.minimum(radius.round().astype(int), 5)
    inside = missing_wedge_mask((SIZE,) * 3) & (radius < 5) & (radius > 0)
    gain = inside / np.sqrt(noise.numpy()[shell])
    expected = np.empty((2, 2))
    for i, volume in enumerate(apply_fourier_filter(volumes.astype(float), gain)):
        for c, reference in enumerate(references):
            ratios = [
                np.sum(model * (volume - model / 2))
                for rotation in rotations
                for shift in shifts
                for model in [
                    apply_fourier_filter(
                        rotate_volume(reference, rotation, shift=shift).astype(float), gain
                    )
                ]
            ]
            expected[i, c] = np.logaddexp.reduce(ratios) - np.log(len(ratios))
    np.testing.assert_allclose(result.log_evidence, expected, rtol=0.02, atol=0.5)
    shift, rotation = divmod(int(result.best[0, 0]), 5)
    assert rotation == 2
    assert shifts[shift].tolist() == [1, -1, -1] or shifts[shift].tolist() == [1, -1, 1]


def test_evidence_is_a_ratio_of_normal_densities():
    poses = make_poses(rotation_grid(150.0), shift_grid(1.0, 2), size=8, n_shells=2.0)
    volumes = np.random.default_rng(0).normal(size=(3, 8, 8, 8)).astype(np.float32)
    data = poses.coefficients(volumes)
    maps = as_tensor(blobs(0, 8, reach=1.0), blobs(1, 8, reach=1.0))
    noise = torch.tensor([1.0, 0.7, 1.3])
    evidence = expectation(poses, data, maps, noise).log_evidence
    variance = np.diag(noise[poses.shells].numpy())
    templates = poses.templates(maps).numpy()
    values = poses.unshift(data).numpy()
    for i in range(3):
        for c in range(2):
            terms = [
                multivariate_normal.logpdf(value, template, variance)
                - multivariate_normal.logpdf(value, cov=variance)
                for value in values[i]
                for template in templates[c]
            ]
            expected = np.logaddexp.reduce(terms) - np.log(len(terms))
            assert float(evidence[i, c]) == pytest.approx(expected, abs=1e-3)


def test_error_of_a_map_is_noise_of_its_volumes():
    poses = make_poses(rotation_grid(150.0), shift_grid(1.0, 2), size=8, n_shells=2.0)
    volumes = np.random.default_rng(0).normal(size=(3, 8, 8, 8)).astype(np.float32)
    data, maps = poses.coefficients(volumes), as_tensor(blobs(0, 8, reach=1.0))
    noise, variance = torch.tensor([1.0, 0.7, 1.3]), torch.tensor([[0.0, 0.4, 0.9]])
    evidence = expectation(poses, data, maps, noise, variance=variance).log_evidence
    alone = np.diag(noise[poses.shells].numpy())
    total = np.diag((noise + variance[0])[poses.shells].numpy())
    for i, values in enumerate(poses.unshift(data).numpy()):
        terms = [
            multivariate_normal.logpdf(value, template, total)
            - multivariate_normal.logpdf(value, cov=alone)
            for value in values
            for template in poses.templates(maps)[0].numpy()
        ]
        expected = np.logaddexp.reduce(terms) - np.log(len(terms))
        assert float(evidence[i, 0]) == pytest.approx(expected, abs=1e-3)


def test_error_of_a_map_falls_with_its_volumes():
    poses = make_poses(Rotation.identity(1))
    noise, signal = torch.tensor([1.0, 2.0]), torch.tensor([0.5, 4.0])
    found = poses.map_variance(torch.tensor([0.0, 6.0, 1e9]), noise, signal)
    np.testing.assert_allclose(found[0], signal)
    np.testing.assert_allclose(found[1], 1 / (6 * poses.coverage / noise + 1 / signal))
    assert found[2].max() < 1e-6
    # Two thirds of the directions are within 60 degrees of tilt.
    assert poses.coverage == pytest.approx(2 / 3, abs=0.05)


def test_only_pairs_are_compared():
    poses = make_poses(rotation_grid(90.0), n_shells=3.0)
    volumes = np.random.default_rng(0).normal(size=(70, SIZE, SIZE, SIZE)).astype(np.float32)
    data, maps, noise = poses.coefficients(volumes), as_tensor(blobs(0), blobs(1)), torch.ones(4)
    full = expectation(poses, data, maps, noise)
    pairs = torch.rand(70, 2, generator=torch.Generator().manual_seed(0)) < 0.4
    some = expectation(poses, data, maps, noise, pairs=pairs)
    assert (some.log_evidence[~pairs] == -torch.inf).all()
    torch.testing.assert_close(
        some.log_evidence[pairs], full.log_evidence[pairs], rtol=1e-5, atol=1e-4
    )
    kept = pairs[full.posterior.rows, full.posterior.targets]
    assert int(kept.sum()) == len(some.posterior.rows)
    none = expectation(poses, data, maps, noise, pairs=torch.zeros(70, 2, dtype=torch.bool))
    assert len(none.posterior.rows) == 0


def test_sums_are_posterior_means():
    poses = make_poses(rotation_grid(100.0), shift_grid(1.0, 2), n_shells=3.0)
    volumes = np.random.default_rng(0).normal(size=(5, SIZE, SIZE, SIZE)).astype(np.float32)
    data, maps, noise = poses.coefficients(volumes), as_tensor(blobs(0), blobs(1)), torch.ones(4)
    shares = torch.rand(5, 2, generator=torch.Generator().manual_seed(0))
    result = expectation(poses, data, maps, noise)
    sums, weights = posterior_sums(poses, data, noise, result, shares)
    templates, values = poses.templates(maps), poses.unshift(data)
    match = torch.einsum("nsf,crf->nscr", values, templates) - templates.square().sum(2) / 2
    pose = match.transpose(1, 2).flatten(2).softmax(2).view(5, 2, *match.shape[1::2])
    joint = pose * shares[..., np.newaxis, np.newaxis]
    np.testing.assert_allclose(weights, joint.sum((0, 2)), atol=0.02)
    expected = torch.einsum("ncsr,nsf->crf", joint, values)
    # Poses of less than a thousandth of the best one are left out.
    np.testing.assert_allclose(sums, expected, atol=0.05 * expected.abs().max().item())


def test_chunks_change_nothing():
    poses = make_poses(rotation_grid(60.0), n_shells=3.0)
    volumes = np.random.default_rng(0).normal(size=(70, SIZE, SIZE, SIZE)).astype(np.float32)
    data, maps, noise = poses.coefficients(volumes), as_tensor(blobs(0), blobs(1)), torch.ones(4)
    full = expectation(poses, data, maps, noise)
    some = expectation(poses, data[3:5], maps, noise).log_evidence
    torch.testing.assert_close(some, full.log_evidence[3:5], rtol=1e-5, atol=1e-4)
    shares = torch.rand(70, 2, generator=torch.Generator().manual_seed(0))
    sums, weights = posterior_sums(poses, data, noise, full, shares)
    parts = [
        posterior_sums(
            poses, data[rows], noise, expectation(poses, data[rows], maps, noise), shares[rows]
        )
        for rows in (slice(0, 20), slice(20, 70))
    ]
    torch.testing.assert_close(parts[0][0] + parts[1][0], sums, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(parts[0][1] + parts[1][1], weights, rtol=1e-4, atol=1e-5)


def test_flat_posteriors_keep_the_best_poses(monkeypatch):
    monkeypatch.setattr(engine, "_MOST_POSES", 5)
    poses = make_poses(rotation_grid(60.0), n_shells=3.0)
    volumes = np.random.default_rng(0).normal(size=(4, SIZE, SIZE, SIZE)).astype(np.float32)
    posterior = expectation(
        poses, poses.coefficients(volumes), as_tensor(0.01 * blobs(0)), torch.ones(4)
    ).posterior
    assert torch.bincount(posterior.rows).tolist() == [5, 5, 5, 5]
    totals = torch.zeros(4).index_add_(0, posterior.rows, posterior.weights)
    torch.testing.assert_close(totals, torch.ones(4))


# --- M step --------------------------------------------------------------------------------------


def test_known_poses_give_back_the_map():
    # Rotations fill the wedge of one another.
    rotations = rotation_grid(45.0)
    reference = blobs(2)
    poses = make_poses(rotations)
    rotated = np.stack([rotate_volume(reference, rotation) for rotation in rotations])
    values = poses.unshift(poses.coefficients(rotated))[:, 0]
    noise = 1e-4
    sums, weights = values[np.newaxis] / noise, torch.ones(1, len(rotations))
    precision = torch.full((len(poses.shells),), 1 / noise)
    solved = poses.wiener_update(poses.accumulate(sums, weights, precision), torch.ones(6))[
        0
    ].numpy()
    whole = make_poses(Rotation.identity(1), tilt_range_deg=90.0)
    expected = whole.to_maps(whole.coefficients(reference[np.newaxis]))[0].numpy()
    # Neither knows the mean of the map, which is not measured.
    inner = np.s_[3:13, 3:13, 3:13]
    solved, expected = solved[inner], expected[inner]
    assert np.corrcoef(solved.ravel(), expected.ravel())[0, 1] > 0.99
    assert solved.std() == pytest.approx(expected.std(), rel=0.05)


def test_maps_shrink_by_the_share_of_noise():
    # Of a line, the map is the mean of the rows, times S / (S + N / n).
    poses = IdentityPose((1, 1, 4))
    rows = torch.tensor([[1.0, 2.0, 3.0, 4.0], [3.0, 2.0, 1.0, 0.0]])
    noise, signal = 0.5, torch.tensor([2.0])
    sums, weights = rows.sum(dim=0).view(1, 1, 4) / noise, torch.full((1, 1), 2.0)
    solved = poses.wiener_update(
        poses.accumulate(sums, weights, torch.full((4,), 1 / noise)), signal
    )
    torch.testing.assert_close(solved.flatten(), rows.mean(dim=0) * 2.0 / (2.0 + 0.5 / 2))


def test_signal_is_what_volumes_have_above_noise():
    poses = make_poses(Rotation.identity(1))
    power, noise = torch.tensor([3.0, 1.0, 0.4]), torch.ones(3)
    torch.testing.assert_close(poses.signal_power(power, noise), torch.tensor([2.0, 1e-3, 1e-3]))


def test_class_without_volumes_stays_empty_and_finite():
    poses = make_poses(rotation_grid(120.0))
    n = len(poses.rotations)
    sums = torch.ones(2, n, len(poses.shells))
    weights = torch.ones(2, n)
    sums[1], weights[1] = 0, 0
    maps = poses.wiener_update(
        poses.accumulate(sums, weights, torch.ones(len(poses.shells))), torch.ones(6)
    )
    assert maps.isfinite().all()
    assert not maps[1].any()


def test_iterations_raise_the_likelihood():
    rng = np.random.default_rng(0)
    poses = make_poses(rotation_grid(60.0), n_shells=4.0)
    volumes = np.stack([rotate_volume(2 * blobs(0), rotation) for rotation in poses.rotations])
    volumes = volumes + rng.normal(size=volumes.shape).astype(np.float32)
    data = poses.coefficients(volumes)
    power = shell_power(poses, data)
    maps = poses.to_maps(data[:1])
    fixed, likelihoods = torch.ones(5), []
    signal = poses.signal_power(power, fixed)
    for _ in range(6):
        result = expectation(poses, data, maps, fixed)
        likelihoods.append(float(result.log_evidence.mean()))
        sums, weights = posterior_sums(poses, data, fixed, result, all_of_one(data))
        maps = poses.wiener_update(
            poses.accumulate(sums, weights, torch.ones(len(poses.shells))), signal
        )
    gains = np.diff(likelihoods)
    # The prior of the maps is a part of what rises, and improbable poses are left out.
    assert gains[0] > 10
    assert gains.min() > -1e-3 * likelihoods[-1]


# --- Classes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("prior", [[0.25, 0.25, 0.25, 0.25], [0.7, 0.1, 0.1, 0.1]])
def test_bias_gives_classes_their_shares(prior):
    generator = torch.Generator().manual_seed(0)
    evidence = 20 * torch.randn(300, 4, generator=generator) + torch.tensor([0.0, 5, -30, 2])
    bias = class_log_bias(evidence, np.array(prior))
    np.testing.assert_allclose((evidence + bias).softmax(1).mean(0), prior, atol=1e-3)
    assert float(bias.mean()) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("prior", [None, np.array([0.4, 0.3, 0.2, 0.1])])
def test_annealing_spreads_classes_as_asked(prior):
    evidence = 30 * torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    sharp, temperature = annealed_responsibilities(evidence, prior, 1.0)
    assert temperature == 1.0
    shares, temperature = annealed_responsibilities(evidence, prior, 2.5)
    entropy = torch.special.entr(shares).sum(dim=1)
    assert float(entropy.mean().exp()) == pytest.approx(2.5, abs=0.01)
    assert temperature > 1
    if prior is None:
        torch.testing.assert_close(shares, (evidence / temperature).softmax(dim=1))
        assert torch.equal(shares.argmax(dim=1), sharp.argmax(dim=1))
    else:
        np.testing.assert_allclose(shares.mean(dim=0), prior, atol=1e-3)
    flat, temperature = annealed_responsibilities(evidence / 1000, prior, 2.5)
    assert temperature == 1.0  # wide enough by itself
    assert flat.isfinite().all()


def test_volumes_wait_for_the_last_stage(monkeypatch):
    poses, codes = IdentityPose((1, 1, 4)), np.arange(12) % 4 - 1
    data = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
    waiting = (codes < 0) & (np.arange(12) < 8)
    shares = []
    maximize = MultiReferenceEM._maximize

    def spy(self, *args, **kwargs):
        shares.append(args[4])
        maximize(self, *args, **kwargs)

    monkeypatch.setattr(MultiReferenceEM, "_maximize", spy)
    params = {"maps": poses.to_maps(data[1:4]), "owner": np.arange(3), "n_averaged": np.ones(3)}
    params |= {"noise": torch.ones(1), "n_frozen": 1, "perplexity": 2.0, "held_back": waiting}
    params |= {"label_weight": 1.0}
    MultiReferenceEM([(poses, 3), (poses, 2)], data, codes, **params).run()
    taken = torch.stack([share.sum(dim=1) for share in shares])
    assert not taken[:3, waiting].any()
    np.testing.assert_allclose(taken[3:], 1, atol=1e-6)
    np.testing.assert_allclose(taken[1:3, ~waiting], 1, atol=1e-6)


def test_a_mirror_image_is_another_molecule():
    reference = 3 * blobs(3, reach=3.5)
    # The point reflection of an odd box maps its center onto itself; here, of the inner 15 voxels.
    mirror = np.zeros_like(reference)
    mirror[1:, 1:, 1:] = reference[1:, 1:, 1:][::-1, ::-1, ::-1]
    poses = make_poses(rotation_grid(30.0))
    rotations = poses.rotations[[3, 50, 100, 150, 200, 250]]
    volumes = np.stack([rotate_volume(v, r) for v in (reference, mirror) for r in rotations])
    maps, noise = as_tensor(reference, mirror), torch.full((6,), 0.5)
    evidence = expectation(poses, poses.coefficients(volumes), maps, noise).log_evidence
    assert np.array_equal(evidence.argmax(1), np.repeat([0, 1], 6))


def test_lines_are_a_mixture_of_gaussians():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 1, 1, 7)).astype(np.float32)
    maps = rng.normal(size=(2, 1, 1, 7)).astype(np.float32)
    poses = IdentityPose((1, 1, 7))
    evidence = expectation(
        poses, poses.coefficients(X), torch.from_numpy(maps), torch.tensor([0.8])
    ).log_evidence
    for k in range(2):
        expected = multivariate_normal.logpdf(X[:, 0, 0], maps[k, 0, 0], 0.8)
        expected -= multivariate_normal.logpdf(X[:, 0, 0], cov=0.8 * np.eye(7))
        np.testing.assert_allclose(evidence[:, k], expected, atol=1e-4)


def test_half_space_holds_all_of_a_band_limited_volume():
    poses = make_poses(Rotation.identity(1), tilt_range_deg=90.0, n_shells=8.0)
    volume = np.random.default_rng(0).normal(size=(1, SIZE, SIZE, SIZE)).astype(np.float32)
    spectrum = np.abs(fft.fftn(volume[0])) ** 2 / volume.size
    radius = np.linalg.norm(np.stack(np.meshgrid(*[fft.fftfreq(SIZE, 1 / SIZE)] * 3)), axis=0)
    expected = spectrum[(radius < 8) & (radius > 0)].sum()
    values = poses.unshift(poses.coefficients(volume))
    assert float(values.square().sum()) == pytest.approx(expected, rel=1e-4)
