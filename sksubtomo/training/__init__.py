"""Losses, data sets, callbacks and skorch nets: what fits a network to volumes."""

from sksubtomo.training._augmentation import WedgeAwareAugmentation
from sksubtomo.training._callbacks import (
    BestWeights,
    EpochLog,
    OneCycle,
    ProgressBar,
    RampUp,
    epoch_figures,
)
from sksubtomo.training._consistency import PseudoLabelConsistency, SquaredErrorConsistency
from sksubtomo.training._contrastive_loss import ContrastiveLoss
from sksubtomo.training._data import VolumeDataset, split_dataset, to_input, volume_loader
from sksubtomo.training._expectation import (
    Expectation,
    Poses,
    expectation,
    log_spectrum_ratio,
    posterior_sums,
    residual_noise,
    shell_power,
)
from sksubtomo.training._inference import collect, forward_batches, scaling_of
from sksubtomo.training._losses import (
    AutoencodingLoss,
    labeled_cross_entropy,
    quotient,
    squared_errors,
)
from sksubtomo.training._multi_reference import MultiReferenceEM, annealed_shares, class_log_bias
from sksubtomo.training._net import OPTIMIZERS, build_net, set_progress_bar
from sksubtomo.training._pseudo_labels import PseudoLabels, choose_confident
from sksubtomo.training._reference_poses import (
    ReferencePoses,
    measured_frequencies,
    shift_grid,
)
from sksubtomo.training._rotation_average import average_over_rotations
from sksubtomo.training._still_poses import StillPoses
from sksubtomo.training._validation import hold_out
from sksubtomo.training._variational_losses import (
    ConditionalVariationalLoss,
    VariationalLoss,
    gaussian_cost,
    gaussian_divergence,
    unlabeled_cost,
)
from sksubtomo.training._volume_net import Views, VolumeNet

__all__ = [
    "OPTIMIZERS",
    "AutoencodingLoss",
    "BestWeights",
    "ConditionalVariationalLoss",
    "ContrastiveLoss",
    "EpochLog",
    "Expectation",
    "MultiReferenceEM",
    "OneCycle",
    "Poses",
    "ProgressBar",
    "PseudoLabelConsistency",
    "PseudoLabels",
    "RampUp",
    "ReferencePoses",
    "SquaredErrorConsistency",
    "StillPoses",
    "VariationalLoss",
    "Views",
    "VolumeDataset",
    "VolumeNet",
    "WedgeAwareAugmentation",
    "annealed_shares",
    "average_over_rotations",
    "build_net",
    "choose_confident",
    "class_log_bias",
    "collect",
    "epoch_figures",
    "expectation",
    "forward_batches",
    "gaussian_cost",
    "gaussian_divergence",
    "hold_out",
    "labeled_cross_entropy",
    "log_spectrum_ratio",
    "measured_frequencies",
    "posterior_sums",
    "quotient",
    "residual_noise",
    "scaling_of",
    "set_progress_bar",
    "shell_power",
    "shift_grid",
    "split_dataset",
    "squared_errors",
    "to_input",
    "unlabeled_cost",
    "volume_loader",
]
