"""Agreement of copies of one volume, against all others."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F

from sksubtomo._torch import n_processes
from sksubtomo.networks import ContrastiveOutput
from sksubtomo.training._losses import Sums, safe_divide, with_shared_counts


class ContrastiveLoss(nn.Module):
    r"""Normalized, temperature-scaled cross-entropy (NT-Xent) of two copies of each volume.

    Of 2n directions :math:`z_i` of unit length, of which i and i + n are copies of one volume, each
    is to find its partner :math:`j` among the others (of its process, if several share a batch),

    .. math:: -\frac{1}{2n} \sum_i \log \frac{\exp(z_i z_j / \tau)}
        {\sum_{k \ne i} \exp(z_i z_k / \tau)}

    A volume that is alone in its batch has nothing to be told from. It does not count; nor, unless
    processes share batches, is a step taken for it, even of Adam's momentum alone.

    Parameters
    ----------
    temperature : float, default=0.2
        :math:`\tau`.

    References
    ----------
    Chen et al., "A simple framework for contrastive learning of visual representations", ICML
    2020.
    """

    def __init__(self, temperature: float = 0.2) -> None:
        super().__init__()
        self.temperature = temperature
        self.sums: Sums = {}

    def forward(self, output: ContrastiveOutput, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss of a batch and leave its sums in ``sums``; `targets` are not used."""
        z = output.projections
        n = len(z) // 2
        n_views = 2 * n if n > 1 else 0
        similarity = z @ z.T / self.temperature
        similarity = similarity.masked_fill(torch.eye(2 * n, dtype=torch.bool).to(z.device), -1e9)
        partner = torch.arange(2 * n, device=z.device).roll(n)
        total = F.cross_entropy(similarity, partner, reduction="sum")
        self.sums = {"contrast": total.detach(), "n_views": total.new_full((), n_views)}
        # Optimizers pass over weights without a gradient, and step with one of zeros. Processes
        # that share a batch have to have gradients of the same weights.
        if not n_views and n_processes() == 1:
            return total.detach().requires_grad_()
        return safe_divide(total, with_shared_counts(self.sums)["n_views"])

    def summarize(self, sums: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """Turn sums over the batches of an epoch into its loss."""
        return {"loss": float(safe_divide(sums["contrast"], sums["n_views"]))}
