"""Losses over batches in which only some rows have a label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from sksubtomo._torch import mean_over_processes, n_processes, sum_over_processes
from sksubtomo.augmentation import filter_volumes
from sksubtomo.networks import AutoencodingOutput
from sksubtomo.training._code_figures import GENERAL_REMEDY, code_figures, code_sums, explained

Sums = dict[str, torch.Tensor]

# What sums over a batch are divided by.
_COUNTS = ("n_volumes", "n_views", "n_compared", "class_weight")

# Of what a reconstruction gains, the share that sparsity="relative" lets the code's norm cost.
_SPARSITY_SHARE = 0.01
# Held-out labels from which on their cross-entropy has a say in when to stop: a tenth of 200.
_LEAST_LABELS_TO_STOP_BY = 20
_OF_SPARSITY = (
    *("activity", "weighted_error", "squared_error", "n_volumes", "volume_scatter", "n_free"),
)


def squared_errors(volumes: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
    """Mean squared error over the voxels of each volume, shape (n,)."""
    return (reconstruction - volumes).square().flatten(1).mean(dim=1)


def labeled_cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, class_weight: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum of the weighted cross-entropies of the labeled rows, and the sum of their weights.

    The quotient equals ``torch.nn.CrossEntropyLoss(class_weight, ignore_index=-1)`` wherever
    that is defined. Keeping the two apart lets batches without a label, where it is NaN,
    count as nothing.

    Parameters
    ----------
    logits : Tensor of shape (n, n_classes)
        Unnormalized log-probabilities.
    targets : Tensor of shape (n,) of int64
        Class indices; -1 is unlabeled.
    class_weight : Tensor of shape (n_classes,), optional
        Weight of each class.

    Returns
    -------
    total, weight : Tensor
        Scalars.
    """
    total = F.cross_entropy(logits, targets, class_weight, ignore_index=-1, reduction="sum")
    labeled = targets >= 0
    if class_weight is None:
        return total, labeled.sum().to(logits.dtype)
    return total, (class_weight[targets.clamp_min(0)] * labeled).sum()


def safe_divide(total: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return ``total / weight``, and 0 with a zero gradient where `weight` is 0."""
    return torch.where(weight > 0, total / weight.clamp_min(torch.finfo(weight.dtype).tiny), 0.0)


def with_shared_counts(sums: Sums) -> Sums:
    """Return a batch's sums with what they are divided by averaged over the processes.

    Of a batch that processes share, one may hold more volumes, or more labels, than another. With
    equal denominators, the mean of their losses is the loss of the whole batch.
    """
    return {
        name: mean_over_processes(value) if name in _COUNTS else value
        for name, value in sums.items()
    }


def centers_features(sparsity: float | Literal["relative"]) -> bool:
    """Return whether a network goes with a sparsity that centers what its code is computed from.

    With a number, which is the paper's loss, it is the paper's network, which does not.
    """
    return sparsity == "relative"


class JointLoss(nn.Module):
    r"""Joint loss of reconstruction and classification (Algorithm 1 of the paper).

    For a batch of :math:`n` volumes :math:`x_i`, of which those in :math:`S` have a label
    :math:`y_i`,

    .. math::

        L = \frac{1}{n} \sum_i a_i \mathrm{MSE}(x_i, \hat x_i)
            + \beta \frac{\sum_{i \in S} w_{y_i} \mathrm{CE}(y_i, p_i)}{\sum_{i \in S} w_{y_i}}
            + \frac{\lambda}{n} \sum_i \lVert c_i \rVert_1 + \gamma C

    with :math:`a_i = \alpha` for labeled and :math:`a_i = u` for unlabeled volumes, the latent
    codes
    :math:`c_i`, the class weights :math:`w`, and the mean cost :math:`C` of not being consistent
    with a teacher. Without a label in the batch the second term is
    0. Without a reconstruction, only the second term remains; without logits, only the others.

    Parameters
    ----------
    alpha : float, default=1
        Weight of the reconstruction error of labeled volumes.
    beta : float, default=1
        Weight of the cross-entropy.
    unlabeled_weight : float, default=1
        Weight :math:`u` of the reconstruction error of unlabeled volumes.
    sparsity : float or "relative", default="relative"
        Weight :math:`\lambda` of the L1 norm of the code. "relative" sets it for each batch, such
        that the penalty is a hundredth of what the reconstruction gains, see Notes.
    class_weight : Tensor of shape (n_classes,), optional
        Class weights, all 1 by default.
    consistency_weight : float, default=0
        Weight :math:`\gamma`; ``ramp``, an attribute between 0 and 1, multiplies it.
    consistency : Module, optional
        What compares the logits with the teacher's, where there is a teacher.
    measured : Tensor of shape (d, d, d // 2 + 1), optional
        Where the reconstruction error is counted in Fourier space, in the layout of ``rfftn``;
        by default everywhere.

    Notes
    -----
    A reconstruction of noisy volumes explains little of their variance: a few percent at a
    signal-to-noise ratio of 0.1. A penalty that costs more than that is smallest where the code is
    zero for all volumes, and a unit that is zero for all volumes gets no gradient any more. With
    "relative",

    .. math:: \lambda = 0.01 \frac{\max(0, G)}{\frac{1}{n} \sum_i \lVert c_i \rVert_1}

    without a gradient, where :math:`G` is by how much the weighted reconstruction error is lower
    than if all volumes had their mean as reconstruction. So the penalty begins when the
    reconstruction first gains something, never takes more than a hundredth of that, and leaves a
    dying code alone. A unit is given up where it gains less than a hundredth of what the others
    gain for the same activation. None of this depends on the scale of code or volumes.

    References
    ----------
    Liu et al., "Semi-supervised macromolecule structural classification in cellular
    electron cryo-tomograms using 3D autoencoding classifier", BMVC 2019, section 3.3.
    """

    class_weight: torch.Tensor | None
    measured: torch.Tensor | None

    def __init__(
        self,
        alpha: float = 1.0,
        beta: float = 1.0,
        unlabeled_weight: float = 1.0,
        sparsity: float | Literal["relative"] = "relative",
        class_weight: torch.Tensor | None = None,
        consistency_weight: float = 0.0,
        consistency: nn.Module | None = None,
        measured: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.beta = beta
        self.unlabeled_weight = unlabeled_weight
        self.sparsity = sparsity
        self.register_buffer("class_weight", class_weight)
        self.consistency_weight = consistency_weight
        self.consistency = consistency
        self.ramp = 1.0
        self.register_buffer("measured", measured)
        self.sums: Sums = {}

    def forward(self, output: AutoencodingOutput, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss of a batch and leave its sums in ``sums``, for the epoch's log.

        Parameters
        ----------
        output : AutoencodingOutput
            What the network gave.
        targets : Tensor of shape (n,) of int64
            Class indices; -1 is unlabeled.

        Returns
        -------
        loss : Tensor
            Scalar.
        """
        sums = self._sum_up(output, targets)
        self.sums = {name: value.detach() for name, value in sums.items()}
        return self._combine(with_shared_counts(sums), self._of_all_processes())

    def summarize(self, sums: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """Turn sums over the batches of an epoch into its loss, the loss's terms, and figures."""
        summary = {"loss": self._combine(sums, sums)}
        if "cross_entropy" in sums:
            summary["cross_entropy"] = safe_divide(sums["cross_entropy"], sums["class_weight"])
        if "squared_error" in sums:
            summary["reconstruction_error"] = sums["squared_error"] / sums["n_volumes"]
        if "inconsistency" in sums:
            summary["inconsistency"] = safe_divide(sums["inconsistency"], sums["n_compared"])
            summary["kept_share"] = safe_divide(sums["n_kept"], sums["n_compared"])
        figures = code_figures(sums) if "squared_error" in sums else {}
        return {**{name: float(value) for name, value in summary.items()}, **figures}

    def stopping_loss(self, sums: Mapping[str, torch.Tensor]) -> float | None:
        """Return what early stopping compares instead of the loss, from sums over validation.

        That is the loss without the cross-entropy, if there are labels, but fewer than 20. The
        cross-entropy of few labels rises as soon as the network is confident in a wrong class. It
        would end the training, or undo it, long before the reconstruction is learned.

        Returns
        -------
        loss : float or None
            None is the loss itself.
        """
        if "squared_error" not in sums or "cross_entropy" not in sums:
            return None
        if not 0 < sums["n_labeled"] < _LEAST_LABELS_TO_STOP_BY:
            return None
        others = {name: value for name, value in sums.items() if name != "cross_entropy"}
        return float(self._combine(others, others))

    @property
    def dead_code_remedy(self) -> str:
        """What to do if the code has died, a sentence."""
        if self.sparsity in ("relative", 0):
            return GENERAL_REMEDY
        return (
            "Set sparsity='relative', which never costs more than the reconstruction gains, or a "
            f"lower weight than {self.sparsity:g}."
        )

    def _sum_up(self, output: AutoencodingOutput, targets: torch.Tensor) -> Sums:
        sums: Sums = {}
        if output.logits is not None:
            total, weight = labeled_cross_entropy(output.logits, targets, self.class_weight)
            n_labeled = (targets >= 0).sum()
            sums = {"cross_entropy": total, "class_weight": weight, "n_labeled": n_labeled}
        if output.reconstruction is not None:
            errors = self._reconstruction_errors(output.volumes, output.reconstruction)
            weights = torch.where(targets >= 0, self.alpha, self.unlabeled_weight)
            sums["n_volumes"] = errors.new_full((), len(errors))
            sums["squared_error"] = errors.sum()
            sums["weighted_error"] = (weights * errors).sum()
            assert output.code is not None
            sums["activity"] = output.code.abs().sum()
            sums.update(code_sums(output.volumes, output.reconstruction, output.code))
        if self.consistency is not None and output.teacher_logits is not None:
            compared = self.consistency(output.logits, output.teacher_logits, targets >= 0)
            sums["inconsistency"] = compared.cost
            sums["n_compared"] = compared.n_rows.to(compared.cost)
            sums["n_kept"] = compared.n_kept.to(compared.cost)
        return sums

    def _reconstruction_errors(
        self, volumes: torch.Tensor, reconstruction: torch.Tensor
    ) -> torch.Tensor:
        if self.measured is None:
            return squared_errors(volumes, reconstruction)
        difference = filter_volumes(reconstruction - volumes, self.measured)
        return difference.square().flatten(1).mean(dim=1)

    def _of_all_processes(self) -> Mapping[str, torch.Tensor]:
        """Return sums over a batch, of which this process may have a part only."""
        if n_processes() == 1 or self.sparsity != "relative" or "activity" not in self.sums:
            return self.sums
        parts = torch.stack([self.sums[name] for name in _OF_SPARSITY])
        return dict(zip(_OF_SPARSITY, sum_over_processes(parts).unbind(), strict=True))

    def _sparsity_weight(self, sums: Mapping[str, torch.Tensor]) -> float | torch.Tensor:
        """Return the weight of the code's L1 norm."""
        if self.sparsity != "relative":
            return self.sparsity
        mean_weight = safe_divide(sums["weighted_error"], sums["squared_error"])
        gain = mean_weight * explained(sums).clamp_min(0) * sums["n_volumes"]
        # The bound keeps the weight finite where the code is next to nothing.
        return _SPARSITY_SHARE * gain / sums["activity"].clamp_min(1e-12)

    def _combine(
        self, sums: Mapping[str, torch.Tensor], whole: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Add up the terms; `whole` are sums without gradient, of all processes."""
        terms = []
        if "n_volumes" in sums:
            penalty = self._sparsity_weight(whole) * sums["activity"]
            reconstruction = sums["weighted_error"] + penalty
            terms.append(reconstruction / sums["n_volumes"])
        if "cross_entropy" in sums:
            terms.append(self.beta * safe_divide(sums["cross_entropy"], sums["class_weight"]))
        if "inconsistency" in sums:
            weight = self.consistency_weight * self.ramp
            terms.append(weight * safe_divide(sums["inconsistency"], sums["n_compared"]))
        return torch.stack(terms).sum()
