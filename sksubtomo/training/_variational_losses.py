"""Bounds on the likelihood of volumes (Kingma et al. 2014)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from sksubtomo._utils._docs import documented
from sksubtomo.networks import ConditionalOutput, VariationalOutput
from sksubtomo.training._code_figures import GENERAL_REMEDY, code_figures, code_sums
from sksubtomo.training._losses import (
    Sums,
    labeled_cross_entropy,
    safe_divide,
    squared_errors,
    with_shared_counts,
)

# A unit of a code is active if its mean varies by more than this (Burda, Grosse & Salakhutdinov,
# "Importance weighted autoencoders", ICLR 2016, section 5.2).
_ACTIVE_VARIANCE = 0.01
_REMEDY = f"Lower noise_std of training=VariationalTraining(...). {GENERAL_REMEDY}"


def gaussian_divergence(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    r"""Kullback-Leibler divergence of diagonal Gaussians from the standard normal.

    .. math:: \frac12 \sum_j \left(\mu_j^2 + \sigma_j^2 - \log \sigma_j^2 - 1\right)

    Parameters
    ----------
    mean, log_variance : Tensor of shape (..., latent_dim)
        The Gaussians.

    Returns
    -------
    divergence : Tensor of shape (...)
        In nats.

    References
    ----------
    Kingma & Welling, "Auto-encoding variational Bayes", ICLR 2014, appendix B.
    """
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(dim=-1)


def gaussian_cost(
    volumes: torch.Tensor, means: torch.Tensor, log_noise: torch.Tensor
) -> torch.Tensor:
    """Negative log-likelihood of volumes under independent Gaussian voxels.

    Parameters
    ----------
    volumes, means : Tensor of shape (..., depth, height, width)
        Volumes, and the means of their voxels; broadcast against one another.
    log_noise : Tensor
        Logarithm of the standard deviation of a voxel: a scalar, or one of each voxel.

    Returns
    -------
    cost : Tensor of shape (...)
        In nats, summed over the voxels.
    """
    scaled = (volumes - means) * torch.exp(-log_noise)
    constant = 0.5 * math.log(2 * math.pi) + log_noise
    return (0.5 * scaled.square() + constant).flatten(-3).sum(dim=-1)


def unlabeled_cost(costs: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    r"""Cost of volumes whose class is unknown: the exact sum over the classes.

    .. math:: U = \sum_y q(y | x) \left(L(x, y) + \log q(y | x)\right)

    which is at least :math:`-\log \sum_y e^{-L(x, y)}`, and just that where
    :math:`q(y | x) \propto e^{-L(x, y)}`.

    Parameters
    ----------
    costs : Tensor of shape (n, n_classes)
        Costs :math:`L(x, y)` if the class were known.
    logits : Tensor of shape (n, n_classes)
        Unnormalized :math:`\log q(y | x)`.

    Returns
    -------
    cost : Tensor of shape (n,)
        In nats.

    References
    ----------
    Kingma et al., "Semi-supervised learning with deep generative models", NeurIPS 2014, eq. 7.
    """
    log_probabilities = logits.log_softmax(dim=1)
    return (log_probabilities.exp() * (costs + log_probabilities)).sum(dim=1)


@documented
class VariationalLoss(nn.Module):
    """Minus the evidence lower bound, in nats a volume: reconstruction cost and divergence."""

    dead_code_remedy = _REMEDY

    def __init__(self) -> None:
        super().__init__()
        self.sums: Sums = {}

    def forward(self, output: VariationalOutput, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss of a batch and leave its sums in ``sums``, for the epoch's log.

        Parameters
        ----------
        output : VariationalOutput
            What the network gave.
        targets : Tensor of shape (n,)
            Not used.

        %(loss)s
        """
        cost = gaussian_cost(output.volumes, output.reconstruction, output.log_noise)
        sums = {
            "n_volumes": cost.new_full((), len(cost)),
            "cost": cost.sum(),
            "divergence": gaussian_divergence(output.mean, output.log_variance).sum(),
            "squared_error": squared_errors(output.volumes, output.reconstruction).sum(),
            **code_sums(output.volumes, output.reconstruction, output.mean),
        }
        self.sums = {name: value.detach() for name, value in sums.items()}
        return (sums["cost"] + sums["divergence"]) / with_shared_counts(sums)["n_volumes"]

    def summarize(self, sums: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """Turn sums over the batches of an epoch into its loss and the loss's terms."""
        n_volumes = sums["n_volumes"]
        summary = {
            "loss": (sums["cost"] + sums["divergence"]) / n_volumes,
            "divergence": sums["divergence"] / n_volumes,
            "reconstruction_error": sums["squared_error"] / n_volumes,
        }
        figures = code_figures(sums, _ACTIVE_VARIANCE)
        return {**{name: float(value) for name, value in summary.items()}, **figures}


@documented
class ConditionalVariationalLoss(nn.Module):
    r"""Bounds of labeled and unlabeled volumes, and the classification loss.

    With :math:`L(x, y)`, minus the bound on :math:`\log p(x, y)`, and :math:`U(x)` of
    :func:`unlabeled_cost`, for a batch of :math:`n` volumes of which those in :math:`S` are
    labeled,

    .. math::

        \frac1n \Big(\sum_{i \in S} L(x_i, y_i) + \sum_{i \notin S} U(x_i)\Big)
        + \alpha \frac{\sum_{i \in S} w_{y_i} \mathrm{CE}(y_i, q(y | x_i))}{\sum_{i \in S} w_{y_i}}

    The paper sums over its :math:`N` data points and weighs the mean cross-entropy by :math:`0.1
    N`; divided by :math:`N`, that is :math:`\alpha = 0.1`. Classes are equally probable a priori.

    Parameters
    ----------
    alpha : float, default=0.1
        Weight of the classification loss.
    class_weight : Tensor of shape (n_classes,), optional
        Class weights :math:`w` in the classification loss, all 1 by default.

    References
    ----------
    Kingma et al., "Semi-supervised learning with deep generative models", NeurIPS 2014, eq. 6-9.
    """

    dead_code_remedy = _REMEDY
    class_weight: torch.Tensor | None

    def __init__(self, alpha: float = 0.1, class_weight: torch.Tensor | None = None) -> None:
        super().__init__()
        self.alpha = alpha
        self.register_buffer("class_weight", class_weight)
        self.sums: Sums = {}

    def forward(self, output: ConditionalOutput, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss of a batch and leave its sums in ``sums``, for the epoch's log.

        Parameters
        ----------
        output : ConditionalOutput
            What the network gave.
        targets : Tensor of shape (n,) of int64
            Class indices; -1 is unlabeled.

        %(loss)s
        """
        costs = self.labeled_costs(output)
        known = costs.gather(1, targets.clamp_min(0).unsqueeze(1)).squeeze(1)
        bounds = torch.where(targets >= 0, known, unlabeled_cost(costs, output.logits))
        total, weight = labeled_cross_entropy(output.logits, targets, self.class_weight)
        sums = {
            "n_volumes": bounds.new_full((), len(bounds)),
            "bound": bounds.sum(),
            "cross_entropy": total,
            "class_weight": weight,
            **self._of_likeliest_class(output),
        }
        self.sums = {name: value.detach() for name, value in sums.items()}
        return self._combine(with_shared_counts(sums))

    @staticmethod
    @torch.no_grad()
    def _of_likeliest_class(output: ConditionalOutput) -> Sums:
        """Return a batch's sums about code and reconstruction, given the most probable class."""
        chosen = output.logits.argmax(dim=1)
        rows = torch.arange(len(chosen), device=chosen.device)
        volumes, mean = output.volumes[:, 0], output.means[rows, chosen]
        reconstruction = output.reconstructions[rows, chosen]
        return {
            "squared_error": squared_errors(volumes, reconstruction).sum(),
            **code_sums(volumes, reconstruction, mean),
        }

    @staticmethod
    def labeled_costs(output: ConditionalOutput) -> torch.Tensor:
        """Return minus the bounds on log p(x, y) (n, n_classes), for every class."""
        reconstruction = gaussian_cost(output.volumes, output.reconstructions, output.log_noise)
        divergence = gaussian_divergence(output.means, output.log_variances)
        return reconstruction + divergence + math.log(output.logits.shape[1])

    def summarize(self, sums: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """Turn sums over the batches of an epoch into its loss and the loss's terms."""
        summary = {
            "loss": self._combine(sums),
            "cross_entropy": safe_divide(sums["cross_entropy"], sums["class_weight"]),
        }
        figures = code_figures(sums, _ACTIVE_VARIANCE)
        return {**{name: float(value) for name, value in summary.items()}, **figures}

    def _combine(self, sums: Mapping[str, torch.Tensor]) -> torch.Tensor:
        classification = safe_divide(sums["cross_entropy"], sums["class_weight"])
        return sums["bound"] / sums["n_volumes"] + self.alpha * classification
