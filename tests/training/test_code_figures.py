import math
import re

import pytest
import torch

from sksubtomo.exceptions import DeadCodeWarning
from sksubtomo.networks import AutoencodingOutput, ConditionalOutput, VariationalOutput
from sksubtomo.training import (
    ConditionalVariationalLoss,
    JointLoss,
    VariationalLoss,
    epoch_figures,
    warn_of_dead_code,
)
from sksubtomo.training._code_figures import code_figures, code_sums, scatter

UNLABELED = torch.full((8,), -1)
REMEDY = "Set sparsity='relative'."


def volumes(n=8, offset=0.0):
    generator = torch.Generator().manual_seed(3)
    return offset + torch.randn(n, 1, 4, 3, 5, generator=generator)


def figures(*batches):
    """Summarize (volumes, reconstruction, code) of batches as an epoch does."""
    totals: dict[str, torch.Tensor] = {}
    for x, reconstruction, code in batches:
        sums = code_sums(x, reconstruction, code)
        sums["n_volumes"] = torch.tensor(float(len(x)))
        sums["squared_error"] = (reconstruction - x).square().flatten(1).mean(dim=1).sum()
        totals = {name: totals.get(name, 0) + value.double() for name, value in sums.items()}
    return code_figures(totals)


def test_scatter_is_the_variance_times_its_degrees_of_freedom():
    x = volumes(offset=5.0)
    torch.testing.assert_close(scatter(x), 7 * x.var(dim=0))


def test_perfect_reconstruction_explains_all():
    x, code = volumes(), torch.rand(8, 6)
    found = figures((x, x, code))
    assert found == {
        "live_units": 6,
        "explained_variance": pytest.approx(1.0),
        "reconstruction_spread": pytest.approx(1.0),
    }


@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_mean_volume_explains_nothing_wherever_zero_is(offset):
    """A constant reconstruction that is no zero, such as a ring, lowers the error only."""
    x = volumes(1000, offset)
    found = figures((x, x.mean(dim=0).expand_as(x), torch.rand(1000, 2)))
    # The mean of n volumes leaves (n - 1) / n of their unbiased variance.
    assert found["explained_variance"] == pytest.approx(1 / 1000, rel=0.01)
    # In float32, the mean of numbers near 30 has an error of some 1e-6.
    assert found["reconstruction_spread"] == pytest.approx(0.0, abs=2e-5)


def test_half_of_the_amplitude_explains_three_quarters():
    x = volumes(2000)
    found = figures((x, x / 2, torch.rand(2000, 2)))
    assert found["explained_variance"] == pytest.approx(0.75, abs=0.01)
    assert found["reconstruction_spread"] == pytest.approx(0.5, rel=1e-6)


def test_units_that_are_zero_or_constant_are_dead():
    code = torch.rand(8, 5)
    code[:, 0] = 0
    code[:, 1] = 1 / 3  # has no exact mean
    code[1:, 2] = 0  # of one volume only, but live
    code[:, 3] *= 1e-12  # small, but live
    assert figures((volumes(), volumes(), code))["live_units"] == 3


def test_constant_that_drifts_between_batches_is_dead_and_without_spread():
    x = volumes()
    batches = [(x, torch.full_like(x, step), torch.full((8, 3), step)) for step in (1.0, 2.0, 3.0)]
    found = figures(*batches)
    assert found["live_units"] == 0
    assert found["reconstruction_spread"] == 0


def test_batches_are_pooled_by_their_degrees_of_freedom():
    x = volumes()
    found = figures((x[:5], x[:5] / 2, torch.rand(5, 2)), (x[5:], x[5:] / 2, torch.rand(3, 2)))
    variance = (4 * x[:5].var(dim=0) + 2 * x[5:].var(dim=0)).mean() / 6
    error = x.square().mean() / 4
    assert found["explained_variance"] == pytest.approx(float(1 - error / variance), rel=1e-5)


def test_without_differences_between_volumes_there_is_nothing_to_say():
    x = volumes()
    assert figures((x[:1], x[:1], torch.rand(1, 2))) == {}
    assert figures((x[:1].expand(4, -1, -1, -1, -1), x[:4], torch.rand(4, 2))) == {}


# --- The losses that record them ------------------------------------------------------------------


def test_joint_loss_records_them_in_the_history():
    x, code = volumes(), torch.rand(8, 6)
    code[:, 0] = 0
    loss = JointLoss()
    loss(AutoencodingOutput(x, code, x / 2, None), UNLABELED)
    summary = loss.summarize(loss.sums)
    assert summary["live_units"] == 5
    epoch = {f"train_{name}": value for name, value in summary.items()}
    kept = epoch_figures(epoch)
    assert {
        "train_live_units",
        "train_explained_variance",
        "train_reconstruction_spread",
    } < kept.keys()


def test_supervised_loss_has_no_code_to_tell_of():
    loss = JointLoss()
    output = AutoencodingOutput(volumes(), None, None, torch.randn(8, 2))
    loss(output, torch.zeros(8, dtype=torch.int64))
    assert not {name for name in loss.summarize(loss.sums) if "units" in name or "var" in name}


def test_variational_units_are_active_by_the_variance_of_their_means():
    x = volumes(400)
    mean = torch.randn(400, 3) * torch.tensor([1.0, 0.2, 0.05])  # variances 1, 0.04, 0.0025
    loss = VariationalLoss()
    loss(VariationalOutput(x, mean, torch.zeros(400, 3), x / 2, torch.tensor(0.0)), UNLABELED)
    summary = loss.summarize(loss.sums)
    assert summary["live_units"] == 2
    assert summary["explained_variance"] == pytest.approx(0.75, abs=0.01)


def test_conditional_model_tells_of_the_most_probable_class():
    x = volumes(400)
    logits = torch.randn(400, 2)
    chosen = logits.argmax(dim=1)
    reconstructions = torch.full((400, 2, 4, 3, 5), 100.0)
    reconstructions[torch.arange(400), chosen] = x[:, 0] / 2
    means = torch.zeros(400, 2, 3)
    means[torch.arange(400), chosen, 0] = torch.randn(400)
    loss = ConditionalVariationalLoss()
    output = ConditionalOutput(
        x, logits, means, torch.zeros(400, 2, 3), reconstructions, torch.tensor(0.0)
    )
    loss(output, torch.full((400,), -1))
    summary = loss.summarize(loss.sums)
    assert summary["live_units"] == 1
    assert summary["explained_variance"] == pytest.approx(0.75, abs=0.01)


# --- The warning ----------------------------------------------------------------------------------


def epoch(prefix="train", live=5, explained=0.1, spread=0.3):
    return {
        f"{prefix}_live_units": live,
        f"{prefix}_explained_variance": explained,
        f"{prefix}_reconstruction_spread": spread,
    }


def test_dead_code_is_warned_of_with_the_remedy():
    with pytest.warns(DeadCodeWarning, match="code is dead.*Set sparsity='relative'"):
        warn_of_dead_code(epoch(live=0, explained=-0.002, spread=0.0), REMEDY)


@pytest.mark.parametrize(
    ("loss", "remedy"),
    [
        (JointLoss(sparsity=1e-4), "sparsity='relative'.*lower weight than 0.0001"),
        (JointLoss(sparsity="relative"), "^Train for more epochs"),
        (JointLoss(sparsity=0.0), "^Train for more epochs"),
        (VariationalLoss(), "noise_std"),
        (ConditionalVariationalLoss(), "noise_std"),
    ],
)
def test_losses_know_the_remedy(loss, remedy):
    assert re.search(remedy, loss.dead_code_remedy)


def test_constant_reconstruction_is_warned_of_although_the_code_lives():
    with pytest.warns(DeadCodeWarning, match="same reconstruction"):
        warn_of_dead_code(epoch(spread=1e-7), REMEDY)


def test_validation_counts_before_training():
    with pytest.warns(DeadCodeWarning):
        warn_of_dead_code({**epoch(), **epoch("valid", live=0)}, REMEDY)
    warn_of_dead_code({**epoch(live=0), **epoch("valid")}, REMEDY)


@pytest.mark.parametrize("entry", [epoch(), epoch(explained=-1.0), {}, {"train_loss": math.nan}])
def test_living_or_unknown_codes_pass(entry):
    warn_of_dead_code(entry, REMEDY)


def test_warning_points_at_the_caller():
    with pytest.warns(DeadCodeWarning) as caught:
        warn_of_dead_code(epoch(live=0), REMEDY)
    assert caught[0].filename == __file__
