"""Settings of augmented views."""

from __future__ import annotations

import reprlib
from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import StrOptions

from sksubtomo._utils._params import NumberInterval, to_plain
from sksubtomo._utils._settings import Settings, store_parameters
from sksubtomo.augmentation._views import WedgeAwareAugmentation, check_cutoffs
from sksubtomo.fourier import check_tilt_range

_CORRUPTION_CONSTRAINTS: dict[str, list] = {
    "noise_std": [NumberInterval(Real, 0, None, closed="left")],
    "contrast": [NumberInterval(Real, 0, 1, closed="left")],
    "low_pass": ["array-like", None],
}


class WedgeAwareRotations(Settings):
    """Augmented views: random orientations and shifts, in the missing wedge of the tilt series.

    Each volume is rotated, shifted and, if asked for, blurred and made noisier; then the missing
    wedge is cut, so that no view holds a frequency that the microscope does not measure. The
    shortcut of an object with its defaults is ``augmentation="rotations"``.

    Parameters
    ----------
    tilt_range_deg : float, (float, float) or None, default=60.0
        Lowest and highest tilt in degrees; a single number t means (-t, t). None cuts no wedge.
    rotate : bool, default=True
        Whether to rotate each volume by a random rotation, all equally likely.
    max_shift_voxels : float, default=1.0
        Each volume is shifted by up to so many voxels along each axis.
    oversampling : {1, 2, 3, 4}, default=2
        Finer samples per voxel for the interpolation; see
        :func:`~sksubtomo.augmentation.rotate_volumes`.
    outside : {"wrap", "zeros"}, default="wrap"
        What comes into the corners of the box: the volume repeated periodically, or zeros.
    noise_std : float, default=0.0
        Standard deviation of white noise that is added, in standard deviations of the volumes.
    contrast : float, default=0.0
        Volumes are multiplied by a random factor up to so far from 1, and a random number up to so
        far from 0 is added.
    low_pass : (float, float) or None, default=None
        Lowest and highest cutoff of a random Gaussian low-pass filter, in cycles per voxel.
    n_test_rotations : int, default=0
        Rotated views over which predictions are averaged; 0 predicts from volumes as they are.
        Networks trained on rotated views predict better from views, whose spectrum differs a
        little from that of volumes.

    See Also
    --------
    sksubtomo.augmentation.WedgeAwareAugmentation : The PyTorch module that makes the views.

    Examples
    --------
    >>> from sksubtomo.augmentation import WedgeAwareRotations
    >>> from sksubtomo.neural_network import CNNClassifier
    >>> CNNClassifier(augmentation=WedgeAwareRotations(tilt_range_deg=(-40, 60)))
    CNNClassifier(augmentation=WedgeAwareRotations(tilt_range_deg=(-40, 60)))
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "tilt_range_deg": [Real, "array-like", None],
        "rotate": ["boolean"],
        "max_shift_voxels": [NumberInterval(Real, 0, None, closed="left")],
        "oversampling": [NumberInterval(Integral, 1, 4, closed="both")],
        "outside": [StrOptions({"wrap", "zeros"})],
        **_CORRUPTION_CONSTRAINTS,
        "n_test_rotations": [NumberInterval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        tilt_range_deg=60.0,
        rotate=True,
        max_shift_voxels=1.0,
        oversampling=2,
        outside="wrap",
        noise_std=0.0,
        contrast=0.0,
        low_pass=None,
        n_test_rotations=0,
    ):
        store_parameters(self, locals())

    def _check(self) -> None:
        _check_low_pass(self)
        if self.tilt_range_deg is not None:
            check_tilt_range(to_plain(self.tilt_range_deg))

    def make(self) -> WedgeAwareAugmentation:
        """Make the module that makes the views."""
        params = self.get_params(deep=False)
        del params["n_test_rotations"]
        if self.tilt_range_deg is not None:
            params["tilt_range_deg"] = check_tilt_range(self.tilt_range_deg)
        return WedgeAwareAugmentation(**params)


class Corruption(Settings):
    """What is done to views on top, in training: noise, contrast and blur, in the same pose.

    The views' missing wedge is cut afterwards.

    Parameters
    ----------
    noise_std : float, default=0.0
        Standard deviation of white noise that is added, in standard deviations of the volumes.
    contrast : float, default=0.0
        As in :class:`WedgeAwareRotations`.
    low_pass : (float, float) or None, default=None
        As in :class:`WedgeAwareRotations`.

    Examples
    --------
    >>> from sksubtomo.augmentation import Corruption
    >>> Corruption(noise_std=0.3)
    Corruption(noise_std=0.3)
    """

    _parameter_constraints: ClassVar[dict[str, list]] = _CORRUPTION_CONSTRAINTS

    def __init__(self, *, noise_std=0.0, contrast=0.0, low_pass=None):
        store_parameters(self, locals())

    def _check(self) -> None:
        _check_low_pass(self)

    def make(self, augmentation: WedgeAwareAugmentation | None) -> WedgeAwareAugmentation:
        """Make the module that corrupts the views of an augmentation, whose wedge it cuts."""
        tilts = None if augmentation is None else augmentation.tilt_range_deg
        return WedgeAwareAugmentation(tilts, rotate=False, **self.get_params())


def _check_low_pass(settings: Any) -> None:
    if settings.low_pass is not None:
        check_cutoffs(settings.low_pass)


def augmentation_settings(augmentation: str | WedgeAwareRotations) -> WedgeAwareRotations | None:
    """Return the settings that a shortcut stands for, and settings as they are.

    Parameters
    ----------
    augmentation : {"none", "rotations"} or WedgeAwareRotations
        "none" stands for None, "rotations" for settings with their defaults.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if isinstance(augmentation, WedgeAwareRotations):
        return augmentation
    if augmentation not in ("none", "rotations"):
        raise ValueError(
            f"augmentation={reprlib.repr(augmentation)} must be 'none', 'rotations' or a "
            "sksubtomo.augmentation.WedgeAwareRotations."
        )
    return None if augmentation == "none" else WedgeAwareRotations()
