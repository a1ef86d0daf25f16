"""Maximum-likelihood references in all poses; independent of networks and training."""

from sksubtomo.alignment._annealing import annealed_responsibilities, class_log_bias
from sksubtomo.alignment._em import MultiReferenceEM
from sksubtomo.alignment._expectation import (
    Expectation,
    Poses,
    expectation,
    log_spectrum_ratio,
    posterior_sums,
    residual_noise,
    shell_power,
)
from sksubtomo.alignment._identity_pose import IdentityPose
from sksubtomo.alignment._pose_grid import PoseGrid, measured_frequencies, shift_grid
from sksubtomo.alignment._stages import (
    Stage,
    all_coefficients,
    background_power,
    check_class_prior,
    check_cubes,
    check_stages,
    stage_poses,
    starting_rows,
)

__all__ = [
    "Expectation",
    "IdentityPose",
    "MultiReferenceEM",
    "PoseGrid",
    "Poses",
    "Stage",
    "all_coefficients",
    "annealed_responsibilities",
    "background_power",
    "check_class_prior",
    "check_cubes",
    "check_stages",
    "class_log_bias",
    "expectation",
    "log_spectrum_ratio",
    "measured_frequencies",
    "posterior_sums",
    "residual_noise",
    "shell_power",
    "shift_grid",
    "stage_poses",
    "starting_rows",
]
