"""The search in a subspace: what it leaves out is improbable, and without it all is the same."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from sksubtomo.alignment import IdentityPose, PoseGrid, expectation, posterior_sums, shift_grid
from sksubtomo.alignment import _search as search
from sksubtomo.alignment._expectation import _templates
from sksubtomo.alignment._search import all_scores, subspace_search
from sksubtomo.geometry import rotation_grid

SIZE = 16
SHELLS = 5.0


def smooth_map(seed):
    """Return a map of a few blobs off the center."""
    rng = np.random.default_rng(seed)
    grid = np.indices((SIZE,) * 3) - SIZE // 2
    places = rng.uniform(-4, 4, size=(6, 3))
    return sum(np.exp(-np.square(grid.T - place).sum(-1).T / 5) for place in places)


@pytest.fixture(scope="module")
def grid():
    return PoseGrid(
        SIZE, 10, n_shells=SHELLS, rotations=rotation_grid(30.0), shifts=shift_grid(1.0, 3)
    )


@pytest.fixture(scope="module")
def maps(grid):
    references = np.stack([smooth_map(0), smooth_map(1), smooth_map(2)]).astype(np.float32)
    return grid.from_references(references)


def volumes_in(grid, maps, n, level, seed=0):
    """Return coefficients of volumes in poses of the grid, with noise of variance 1."""
    rng = np.random.default_rng(seed)
    which = rng.integers(len(maps), size=n)
    templates = grid.templates_at(level * maps, which, Rotation.random(n, rng=rng))
    noise = rng.normal(size=(2, *templates.shape)).astype(np.float32)
    return templates + torch.complex(*torch.from_numpy(noise))


@pytest.fixture(scope="module", params=[0.3, 3.0], ids=["weak", "strong"])
def case(request, grid, maps):
    return grid, request.param * maps, volumes_in(grid, maps, 40, request.param)


def noise_of(grid):
    return torch.ones(int(grid.shells.max()) + 1)


def test_search_covers_the_posterior(case):
    grid, maps, data = case
    full = expectation(grid, data, maps, noise_of(grid), coverage=1.0)
    found = expectation(grid, data, maps, noise_of(grid))
    lost = full.log_evidence - found.log_evidence
    # Logarithms of hundreds in float32.
    assert lost.min() > -1e-3
    assert lost.mean() < 1e-2
    assert lost.max() < 0.1
    assert (full.best == found.best).double().mean() > 0.99
    shares = torch.full((40, 3), 1 / 3)
    expected, _ = posterior_sums(grid, data, noise_of(grid), full, shares)
    sums, weights = posterior_sums(grid, data, noise_of(grid), found, shares)
    assert float(weights.sum()) == pytest.approx(40, rel=1e-5)
    assert (sums - expected).norm() < 0.05 * expected.norm()


def test_search_without_anything_left_out_is_exhaustive(case, monkeypatch):
    grid, maps, data = case
    monkeypatch.setattr(search, "_MARGINS", (1e6, 1e6))
    found = expectation(grid, data, maps, noise_of(grid))
    full = expectation(grid, data, maps, noise_of(grid), coverage=1.0)
    torch.testing.assert_close(found.log_evidence, full.log_evidence, rtol=1e-6, atol=1e-3)
    assert torch.equal(found.best, full.best)


def test_few_poses_are_compared_in_full(grid, maps):
    data = volumes_in(grid, maps, 20, 3.0)
    templates = _templates(grid, 3 * maps, noise_of(grid), None)
    found = subspace_search(grid, templates, 0.999)
    assert found._rank < 0.6 * templates.white.numel()
    scores = found.scores(data, None)
    assert len(scores.pair) < 0.2 * 20 * 3 * len(grid.rotations)
    assert (scores.pair.diff() >= 0).all()
    everything = all_scores(grid, templates, data, None)
    dense = everything.scores.view(20 * 3, len(grid.rotations), 27)
    torch.testing.assert_close(
        scores.scores, dense[scores.pair, scores.rotation], rtol=1e-5, atol=1e-3
    )


def test_neither_neighbors_nor_other_classes_matter(case):
    grid, maps, data = case
    full = expectation(grid, data, maps, noise_of(grid)).log_evidence
    alone = torch.cat(
        [expectation(grid, data[i : i + 1], maps, noise_of(grid)).log_evidence for i in range(5)]
    )
    torch.testing.assert_close(alone, full[:5], rtol=1e-6, atol=2e-3)
    again = expectation(grid, data.flip(0), maps, noise_of(grid)).log_evidence
    torch.testing.assert_close(again.flip(0), full, rtol=1e-6, atol=2e-3)
    pairs = torch.rand(40, 3, generator=torch.Generator().manual_seed(0)) < 0.4
    some = expectation(grid, data, maps, noise_of(grid), pairs=pairs).log_evidence
    torch.testing.assert_close(some[pairs], full[pairs], rtol=1e-6, atol=2e-3)
    assert (some[~pairs] == -torch.inf).all()
    assert torch.equal(full, expectation(grid, data, maps, noise_of(grid)).log_evidence)


def test_no_search_where_it_saves_nothing(grid, maps):
    templates = _templates(grid, maps, noise_of(grid), None)
    assert subspace_search(grid, templates, 1.0) is None
    lines = IdentityPose((1, 1, 4))
    noise = torch.ones(1)
    assert (
        subspace_search(lines, _templates(lines, torch.ones(2, 1, 1, 4), noise, None), 0.9) is None
    )
    # Noise is no combination of a few components.
    rough = torch.randn(40, *maps.shape[1:], generator=torch.Generator().manual_seed(0))
    assert subspace_search(grid, _templates(grid, 3 * rough, noise_of(grid), None), 0.9) is None


def test_empty_references_are_searched(grid, maps):
    data = volumes_in(grid, maps, 4, 1.0)
    found = expectation(grid, data, torch.zeros_like(maps), noise_of(grid))
    torch.testing.assert_close(found.log_evidence, torch.zeros(4, 3), rtol=0, atol=1e-4)


def test_shifts_of_a_basis_undo_those_of_volumes(grid):
    data = volumes_in(grid, torch.ones(1, 10, 10, 10), 3, 1.0)
    basis = torch.randn(2, len(grid.shells), generator=torch.Generator().manual_seed(0))
    products = torch.einsum("nsf,bf->nsb", grid.unshift(data), basis)
    shifted = torch.einsum("nf,sbf->nsb", grid.unshifted(data), grid.shift(basis))
    torch.testing.assert_close(shifted, products, rtol=1e-5, atol=1e-3)
    one = grid.unshift_each(data, torch.tensor([4, 0, 26]))
    torch.testing.assert_close(one, grid.unshift(data)[torch.arange(3), [4, 0, 26]])
