"""Losses, data sets, callbacks and skorch nets: what fits a network to volumes."""

from sksubtomo.training._callbacks import (
    BestWeights,
    EpochLog,
    OneCycle,
    ProgressBar,
    RampUp,
    epoch_figures,
    kept_epoch,
)
from sksubtomo.training._code_figures import warn_of_dead_code
from sksubtomo.training._consistency import PseudoLabelConsistency, SquaredErrorConsistency
from sksubtomo.training._contrastive_loss import ContrastiveLoss
from sksubtomo.training._data import VolumeDataset, split_dataset, to_input, volume_loader
from sksubtomo.training._inference import collect, forward_batches, scaling_of
from sksubtomo.training._losses import (
    JointLoss,
    labeled_cross_entropy,
    safe_divide,
    squared_errors,
)
from sksubtomo.training._net import OPTIMIZERS, build_net, set_progress_bar
from sksubtomo.training._pseudo_labels import PseudoLabels, choose_confident
from sksubtomo.training._validation import hold_out
from sksubtomo.training._variational_losses import (
    ConditionalVariationalLoss,
    VariationalLoss,
    gaussian_cost,
    gaussian_divergence,
    unlabeled_cost,
)
from sksubtomo.training._volume_net import ViewPolicy, VolumeNet

__all__ = [
    "OPTIMIZERS",
    "BestWeights",
    "ConditionalVariationalLoss",
    "ContrastiveLoss",
    "EpochLog",
    "JointLoss",
    "OneCycle",
    "ProgressBar",
    "PseudoLabelConsistency",
    "PseudoLabels",
    "RampUp",
    "SquaredErrorConsistency",
    "VariationalLoss",
    "ViewPolicy",
    "VolumeDataset",
    "VolumeNet",
    "build_net",
    "choose_confident",
    "collect",
    "epoch_figures",
    "forward_batches",
    "gaussian_cost",
    "gaussian_divergence",
    "hold_out",
    "kept_epoch",
    "labeled_cross_entropy",
    "safe_divide",
    "scaling_of",
    "set_progress_bar",
    "split_dataset",
    "squared_errors",
    "to_input",
    "unlabeled_cost",
    "volume_loader",
    "warn_of_dead_code",
]
