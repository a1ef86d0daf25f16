"""Losses, data sets, callbacks and skorch nets: what fits a network to volumes."""

from sksubtomo.training._callbacks import BestWeights, EpochLog, ProgressBar
from sksubtomo.training._data import VolumeDataset, split_dataset, to_input, volume_loader
from sksubtomo.training._inference import forward_batches, scaling_of
from sksubtomo.training._losses import (
    AutoencodingLoss,
    labeled_cross_entropy,
    quotient,
    squared_errors,
)
from sksubtomo.training._net import build_net, resolve_device, seeded_cpu
from sksubtomo.training._validation import hold_out

__all__ = [
    "AutoencodingLoss",
    "BestWeights",
    "EpochLog",
    "ProgressBar",
    "VolumeDataset",
    "build_net",
    "forward_batches",
    "hold_out",
    "labeled_cross_entropy",
    "quotient",
    "resolve_device",
    "scaling_of",
    "seeded_cpu",
    "split_dataset",
    "squared_errors",
    "to_input",
    "volume_loader",
]
