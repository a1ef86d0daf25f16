"""References on a simulated GPU: the same numbers, and nothing waits within an iteration."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from simulated_device import DEVICE, SimulatedDevice

from sksubtomo.alignment import (
    IdentityPose,
    MultiReferenceEM,
    PoseGrid,
    em_state,
    expectation,
    leave_one_out,
    load_em_state,
    posterior_sums,
    shift_grid,
)
from sksubtomo.alignment import _device_comparison as device_comparison
from sksubtomo.alignment import _expectation as engine
from sksubtomo.alignment import _posterior as posteriors
from sksubtomo.fourier import Imaging
from sksubtomo.geometry import point_group, rotation_grid

SIZE = 12
# Evidence, best poses and maps come back one by one.
READS = 3


def make_poses(**params):
    return PoseGrid(
        SIZE,
        8,
        n_shells=3.5,
        rotations=rotation_grid(72.0),
        shifts=shift_grid(1.0, 2),
        **params,
    )


def make_data(poses, n, n_classes, level=2.0, seed=0):
    """Return maps, coefficients of volumes with noise of variance 1, and classes."""
    rng = np.random.default_rng(seed)
    index = np.indices((SIZE,) * 3) - SIZE // 2
    references = [
        sum(np.exp(-np.square(index.T - place).sum(-1).T / 4) for place in places)
        for places in rng.uniform(-3, 3, (n_classes, 5, 3))
    ]
    maps = level * poses.from_references(np.float32(references))
    classes = np.arange(n) % n_classes
    templates = poses.templates_at(maps, classes, Rotation.random(n, rng=rng))
    noise = rng.normal(size=(2, *templates.shape)).astype(np.float32)
    return maps, templates + torch.complex(*torch.from_numpy(noise)), classes


def make_em(poses, n=24, n_classes=2, n_iter=5, device="cpu", **params):
    maps, data, targets = make_data(poses, n, n_classes)
    targets[n // 2 :] = -1
    maps = maps + 0.5 * torch.randn(maps.shape, generator=torch.Generator().manual_seed(0))
    return MultiReferenceEM(
        [(poses, n_iter)],
        data,
        targets,
        maps=maps,
        owner=np.arange(n_classes),
        n_averaged=np.ones(n_classes),
        noise=torch.ones(int(poses.shells.max()) + 1),
        prior=np.full(n_classes, 1 / n_classes),
        pseudo_counts=np.ones(n_classes),
        n_frozen=1,
        perplexity=1.5,
        device=device,
        **params,
    )


def run_there(em):
    """Run an EM on the simulated device; return what each iteration counts there."""
    counts = []
    with SimulatedDevice() as device:
        em.run(lambda: counts.append(device.counts.copy()))
    return [after - before for before, after in pairwise(counts)]


@pytest.fixture
def in_full(monkeypatch):
    """Let the CPU, too, compare all poses."""
    monkeypatch.setattr(engine, "subspace_search", lambda *args: None)


@pytest.fixture(params=["all", "pairs"])
def pairs(request):
    some = torch.rand(30, 3, generator=torch.Generator().manual_seed(0)) < 0.6
    return None if request.param == "all" else some


@pytest.mark.parametrize("kind", ["one", "few", "many"])
@pytest.mark.parametrize("keep_poses", [True, False])
def test_numbers_are_those_of_the_cpu(pairs, kind, keep_poses, monkeypatch):
    params, kinds = {}, None
    if kind != "one":
        params["imaging"] = Imaging([(-40.0, 40.0), (-60.0, 50.0), (-60.0, 60.0)])
        kinds = torch.arange(30) % 3
    if kind == "many":
        monkeypatch.setattr(engine, "_MOST_HALVES", 0)
    monkeypatch.setattr(device_comparison, "_VALUES_ON_GPU", 20_000)
    poses = make_poses(**params)
    maps, data, _ = make_data(poses, 30, 3)
    if kinds is not None:
        data = data * (poses.gains.values[kinds] != 0)
    n_shells = int(poses.shells.max()) + 1
    noise, variance = torch.linspace(0.8, 1.2, n_shells), torch.full((3, n_shells), 0.1)
    shared = {"variance": variance, "pairs": pairs, "kinds": kinds, "keep_poses": keep_poses}
    here = expectation(poses, data, maps, noise, coverage=1.0, **shared)
    with SimulatedDevice() as device:
        there = expectation(poses, data, maps, noise, device=DEVICE, **shared)
    assert not device.counts["waits"]
    torch.testing.assert_close(there.log_evidence, here.log_evidence, rtol=1e-5, atol=1e-4)
    # Of poses that are alike but for rounding, either may be the best.
    assert (there.best == here.best).double().mean() >= 0.95
    if not keep_poses:
        assert there.posterior is None
        return
    shares = torch.rand(30, 3, generator=torch.Generator().manual_seed(1))
    shares[::4] = 0.0
    expected = posterior_sums(poses, data, noise, here, shares, kinds)
    with SimulatedDevice() as device:
        found = posterior_sums(poses, data, noise, there, shares, kinds)
        assert not device.counts["waits"] + device.counts["reads"]
        found = [one.cpu() for one in found]
        rows = torch.tensor([1, 5, 17])
        one_by_one = there.posterior.of_rows(rows)
    torch.testing.assert_close(found, list(expected), rtol=1e-4, atol=1e-4)
    wanted = here.posterior.of_rows(rows)
    assert as_mapping(one_by_one).keys() == as_mapping(wanted).keys()
    for entry, weight in as_mapping(wanted).items():
        assert as_mapping(one_by_one)[entry] == pytest.approx(weight, rel=1e-3)


def as_mapping(posterior):
    *entries, weights = (column.tolist() for column in posterior)
    return dict(zip(zip(*entries, strict=True), weights, strict=True))


def test_flat_posteriors_keep_the_best_poses(monkeypatch):
    monkeypatch.setattr(engine, "_MOST_POSES", 5)
    poses = make_poses()
    maps, data, _ = make_data(poses, 4, 1, level=0.01)
    noise = torch.ones(int(poses.shells.max()) + 1)
    with SimulatedDevice():
        posterior = expectation(poses, data, maps, noise, device=DEVICE).posterior
        entries = posterior.of_rows(torch.arange(4))
    assert torch.bincount(entries.rows).tolist() == [5, 5, 5, 5]
    totals = torch.zeros(4).index_add_(0, entries.rows, entries.weights)
    torch.testing.assert_close(totals, torch.ones(4))


def test_no_pairs_take_no_part():
    poses = make_poses()
    maps, data, _ = make_data(poses, 4, 2)
    noise = torch.ones(int(poses.shells.max()) + 1)
    none = torch.zeros(4, 2, dtype=torch.bool)
    with SimulatedDevice():
        result = expectation(poses, data, maps, noise, pairs=none, device=DEVICE)
        sums, _ = posterior_sums(poses, data, noise, result, torch.ones(4, 2))
        assert not sums.cpu().any()
    assert (result.log_evidence == -torch.inf).all()


@pytest.mark.parametrize("symmetric", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_fits_are_those_of_the_cpu(in_full, symmetric):
    poses = make_poses()
    groups = [point_group("C1"), point_group("C2")] if symmetric else None
    here, there = make_em(poses, groups=groups), make_em(poses, groups=groups, device=DEVICE)
    here.run()
    run_there(there)
    torch.testing.assert_close(there.evidence, here.evidence, rtol=1e-3, atol=1e-2)
    assert (there.labels == here.labels).double().mean() >= 0.95
    assert (there.best == here.best).double().mean() > 0.9
    torch.testing.assert_close(there.maps, here.maps, rtol=1e-2, atol=1e-3)
    torch.testing.assert_close(there.variance, here.variance, rtol=1e-4, atol=1e-5)


def test_lines_are_those_of_the_cpu(in_full):
    data = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
    targets, fits = np.arange(12) % 4 - 1, []
    for device in ("cpu", DEVICE):
        poses = IdentityPose((1, 1, 4))
        em = MultiReferenceEM(
            [(poses, 3)],
            data,
            targets,
            maps=poses.to_maps(data[1:4]),
            owner=np.arange(3),
            n_averaged=np.ones(3),
            noise=torch.ones(1),
            n_frozen=1,
            device=device,
        )
        with SimulatedDevice():
            em.run()
        fits.append(em)
    torch.testing.assert_close(fits[1].evidence, fits[0].evidence, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(fits[1].maps, fits[0].maps, rtol=1e-5, atol=1e-5)


def test_nothing_waits_and_copies_do_not_grow(monkeypatch):
    poses, counts = make_poses(), {}
    for n_classes in (2, 4):
        for n_values in (2**27, 3000):
            monkeypatch.setattr(device_comparison, "_VALUES_ON_GPU", n_values)
            monkeypatch.setattr(posteriors, "_VALUES_ON_GPU", n_values)
            em = make_em(poses, 24, n_classes, device=DEVICE)
            # The second iteration leaves labeled volumes out, which happens once.
            counts[n_classes, n_values] = run_there(em)[1:]
    first = counts[2, 2**27]
    assert len(first) == 3
    assert all(of == first for of in counts.values())
    for one in first:
        assert one["waits"] == one["blocking"] == 0
        assert one["reads"] == READS
        assert one["sends"] < 20


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("n_classes", [2, 4])
def test_a_gpu_waits_for_what_is_read_alone(n_classes):
    em, counts = make_em(make_poses(), 24, n_classes, device="cuda"), []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            em.run(lambda: counts.append(len(said)))
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert max(np.diff(counts)[1:]) <= READS


def test_left_out_labels_and_states_are_those_of_the_cpu(in_full):
    poses = make_poses()
    here, there = make_em(poses, n_iter=3), make_em(poses, n_iter=3, device=DEVICE)
    here.run()
    with SimulatedDevice():
        there.run()
        check = leave_one_out(there, poses, there.coefficients)
        state = em_state(there)
        again = make_em(poses, n_iter=3, device=DEVICE)
        load_em_state(again, state)
        resumed = leave_one_out(again, poses, again.coefficients)
    expected = leave_one_out(here, poses, here.coefficients)
    for one in (check, resumed):
        assert np.array_equal(one.predicted, expected.predicted)
        assert np.array_equal(one.inverted, expected.inverted)


def test_tensors_go_there_once():
    poses = make_poses(imaging=Imaging([(-40.0, 40.0), (-60.0, 60.0)]))
    assert poses.on("cpu") is poses
    with SimulatedDevice():
        moved = poses.on(DEVICE)
        assert moved.on(DEVICE) is moved
        assert moved.origin is moved.on("cpu") is poses
        for tensor in (moved.shells, moved.gains.values, moved.gains.coverage, moved._mask):
            assert tensor.device.type == DEVICE
    assert poses.gains.values.device.type == "cpu"


@pytest.mark.parametrize("among", [None, np.array([4, 0])])
def test_sampling_is_that_of_the_cpu(among):
    sampling = make_poses()._sampling
    grids = torch.randn(2, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    values = sampling.sample(grids)
    with SimulatedDevice():
        there = sampling.to(torch.device(DEVICE))
        torch.testing.assert_close(there.sample(grids.to(DEVICE)).cpu(), values)
        some = values if among is None else values[:, among]
        added = there.adjoint(some.to(DEVICE), among).cpu()
    torch.testing.assert_close(added, sampling.adjoint(some, among), rtol=1e-5, atol=1e-5)
