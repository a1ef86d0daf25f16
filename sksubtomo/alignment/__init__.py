"""Maximum-likelihood references in all poses; independent of networks and training."""

from sksubtomo.alignment._agreement import LabelCheck, leave_one_out
from sksubtomo.alignment._annealing import annealed_responsibilities, class_log_bias
from sksubtomo.alignment._contrast import either_contrast
from sksubtomo.alignment._em import MultiReferenceEM
from sksubtomo.alignment._em_state import em_state, load_em_state
from sksubtomo.alignment._expectation import Expectation, expectation, posterior_sums
from sksubtomo.alignment._final_poses import final_poses
from sksubtomo.alignment._frequencies import measured_frequencies, shift_grid
from sksubtomo.alignment._gains import Gains
from sksubtomo.alignment._half_sets import HalfSetAverager, HalfSets
from sksubtomo.alignment._identity_pose import IdentityPose
from sksubtomo.alignment._imaging import TiltGeometry, likelier_geometry
from sksubtomo.alignment._initial_maps import (
    filtered_volumes,
    given_maps,
    initialized_em,
    labeled_averages,
    likelier_inverted,
    starting_rows,
)
from sksubtomo.alignment._memory import EstimatedMemory, check_memory, estimated_memory
from sksubtomo.alignment._noise import measure_noise
from sksubtomo.alignment._pose_grid import PoseGrid
from sksubtomo.alignment._proportions import (
    class_evidence,
    estimate_proportions,
    least_proportions,
    raised_proportions,
    reference_responsibilities,
)
from sksubtomo.alignment._refinement import refine_poses
from sksubtomo.alignment._settings import Annealing, ClassPrior
from sksubtomo.alignment._spectra import (
    Poses,
    log_spectrum_ratio,
    root_mean_square,
    shell_power,
)
from sksubtomo.alignment._stages import (
    Stage,
    all_coefficients,
    check_class_prior,
    check_cubes,
    check_stages,
    frozen_iterations,
    shifts_along_axis,
    stage_poses,
    volume_blocks,
)
from sksubtomo.alignment._symmetry import Symmetrizer, check_symmetry

__all__ = [
    "Annealing",
    "ClassPrior",
    "EstimatedMemory",
    "Expectation",
    "Gains",
    "HalfSetAverager",
    "HalfSets",
    "IdentityPose",
    "LabelCheck",
    "MultiReferenceEM",
    "PoseGrid",
    "Poses",
    "Stage",
    "Symmetrizer",
    "TiltGeometry",
    "all_coefficients",
    "annealed_responsibilities",
    "check_class_prior",
    "check_cubes",
    "check_memory",
    "check_stages",
    "check_symmetry",
    "class_evidence",
    "class_log_bias",
    "either_contrast",
    "em_state",
    "estimate_proportions",
    "estimated_memory",
    "expectation",
    "filtered_volumes",
    "final_poses",
    "frozen_iterations",
    "given_maps",
    "initialized_em",
    "labeled_averages",
    "least_proportions",
    "leave_one_out",
    "likelier_geometry",
    "likelier_inverted",
    "load_em_state",
    "log_spectrum_ratio",
    "measure_noise",
    "measured_frequencies",
    "posterior_sums",
    "raised_proportions",
    "reference_responsibilities",
    "refine_poses",
    "root_mean_square",
    "shell_power",
    "shift_grid",
    "shifts_along_axis",
    "stage_poses",
    "starting_rows",
    "volume_blocks",
]
