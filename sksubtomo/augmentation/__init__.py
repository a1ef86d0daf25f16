"""Random views of subtomograms that keep the missing wedge in the laboratory's frame."""

from sksubtomo.augmentation._rotation_average import average_over_rotations
from sksubtomo.augmentation._settings import (
    Corruption,
    WedgeAwareRotations,
    augmentation_settings,
)
from sksubtomo.augmentation._views import (
    Outside,
    TiltRange,
    WedgeAwareAugmentation,
    add_noise,
    apply_wedge,
    filter_volumes,
    jitter_contrast,
    keep_ball,
    random_low_pass,
    random_rotations,
    rotate_volumes,
    shift_volumes,
)

__all__ = [
    "Corruption",
    "Outside",
    "TiltRange",
    "WedgeAwareAugmentation",
    "WedgeAwareRotations",
    "add_noise",
    "apply_wedge",
    "augmentation_settings",
    "average_over_rotations",
    "filter_volumes",
    "jitter_contrast",
    "keep_ball",
    "random_low_pass",
    "random_rotations",
    "rotate_volumes",
    "shift_volumes",
]
