"""Finding particles in tomograms."""

from sksubtomo.picking._correlation import ball_mask, match_template
from sksubtomo.picking._dog import DifferenceOfGaussiansPicker, difference_of_gaussians
from sksubtomo.picking._peaks import PickingScores, Picks, evaluate_picks, find_peaks
from sksubtomo.picking._template import TemplateMatchingPicker, pick_dog_then_template

__all__ = [
    "DifferenceOfGaussiansPicker",
    "PickingScores",
    "Picks",
    "TemplateMatchingPicker",
    "ball_mask",
    "difference_of_gaussians",
    "evaluate_picks",
    "find_peaks",
    "match_template",
    "pick_dog_then_template",
]
