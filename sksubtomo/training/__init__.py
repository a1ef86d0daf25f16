"""Losses, data sets, callbacks and skorch nets: what fits a network to volumes."""

from sksubtomo.training._callbacks import BestWeights, EpochLog, ProgressBar
from sksubtomo.training._data import VolumeDataset, split_dataset, to_input, volume_loader
from sksubtomo.training._inference import collect, forward_batches, scaling_of
from sksubtomo.training._losses import (
    AutoencodingLoss,
    labeled_cross_entropy,
    quotient,
    squared_errors,
)
from sksubtomo.training._net import build_net
from sksubtomo.training._pseudo_labels import PseudoLabels, choose_confident
from sksubtomo.training._validation import hold_out
from sksubtomo.training._variational_losses import (
    ConditionalVariationalLoss,
    VariationalLoss,
    gaussian_cost,
    gaussian_divergence,
    unlabeled_cost,
)

__all__ = [
    "AutoencodingLoss",
    "BestWeights",
    "ConditionalVariationalLoss",
    "EpochLog",
    "ProgressBar",
    "PseudoLabels",
    "VariationalLoss",
    "VolumeDataset",
    "build_net",
    "choose_confident",
    "collect",
    "forward_batches",
    "gaussian_cost",
    "gaussian_divergence",
    "hold_out",
    "labeled_cross_entropy",
    "quotient",
    "scaling_of",
    "split_dataset",
    "squared_errors",
    "to_input",
    "unlabeled_cost",
    "volume_loader",
]
