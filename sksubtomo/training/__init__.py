"""Training: its settings, losses, data sets, callbacks and skorch nets."""

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
    centers_features,
    labeled_cross_entropy,
    safe_divide,
    squared_errors,
)
from sksubtomo.training._method_settings import (
    AutoencoderTraining,
    Consistency,
    ContrastiveTraining,
    FineTuningTraining,
    FixMatchTraining,
    JointTraining,
    PseudoLabelTraining,
    Reconstruction,
    VariationalTraining,
)
from sksubtomo.training._net import make_net
from sksubtomo.training._net_state import net_state, restored_net, training_state
from sksubtomo.training._plan import FitSettings, Plan, ViewPolicy
from sksubtomo.training._pseudo_labels import PseudoLabels, choose_confident
from sksubtomo.training._resume import TrainingRecord
from sksubtomo.training._settings import OPTIMIZERS, Training, training_settings
from sksubtomo.training._validation import hold_out
from sksubtomo.training._variational_losses import (
    ConditionalVariationalLoss,
    VariationalLoss,
    gaussian_cost,
    gaussian_divergence,
    unlabeled_cost,
)
from sksubtomo.training._volume_net import VolumeNet

__all__ = [
    "OPTIMIZERS",
    "AutoencoderTraining",
    "BestWeights",
    "ConditionalVariationalLoss",
    "Consistency",
    "ContrastiveLoss",
    "ContrastiveTraining",
    "EpochLog",
    "FineTuningTraining",
    "FitSettings",
    "FixMatchTraining",
    "JointLoss",
    "JointTraining",
    "OneCycle",
    "Plan",
    "ProgressBar",
    "PseudoLabelConsistency",
    "PseudoLabelTraining",
    "PseudoLabels",
    "RampUp",
    "Reconstruction",
    "SquaredErrorConsistency",
    "Training",
    "TrainingRecord",
    "VariationalLoss",
    "VariationalTraining",
    "ViewPolicy",
    "VolumeDataset",
    "VolumeNet",
    "centers_features",
    "choose_confident",
    "collect",
    "epoch_figures",
    "forward_batches",
    "gaussian_cost",
    "gaussian_divergence",
    "hold_out",
    "kept_epoch",
    "labeled_cross_entropy",
    "make_net",
    "net_state",
    "restored_net",
    "safe_divide",
    "scaling_of",
    "split_dataset",
    "squared_errors",
    "to_input",
    "training_settings",
    "training_state",
    "unlabeled_cost",
    "volume_loader",
    "warn_of_dead_code",
]
