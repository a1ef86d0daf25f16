"""What transformers to a smaller box share."""

from __future__ import annotations

from numbers import Integral
from typing import ClassVar

from sklearn.utils._param_validation import Interval

from sksubtomo._utils._volumes import Shape3d, check_volume_shape
from sksubtomo.preprocessing._base import VolumeTransformer


class SmallerBoxTransformer(VolumeTransformer):
    """Base of transformers to a smaller box.

    Parameters
    ----------
    box_size : int or (int, int, int), optional
        New edges in voxels, z, y, x. By default the box stays as it is.
    volume_shape : int or (int, int, int), optional
        Box in voxels, z, y, x, of flat rows. Without it, a flat row is read as one line of voxels.
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **VolumeTransformer._parameter_constraints,
        "box_size": [None, Interval(Integral, 1, None, closed="left"), "array-like"],
    }

    def __init__(self, box_size=None, *, volume_shape=None):
        super().__init__(volume_shape=volume_shape)
        self.box_size = box_size

    def _new_shape(self) -> Shape3d:
        if self.box_size is None:
            return self.volume_shape_
        return check_volume_shape(self.box_size, name="box_size")

    def _check_parameters(self) -> None:
        if any(new > old for new, old in zip(self._new_shape(), self.volume_shape_, strict=True)):
            raise ValueError(
                f"box_size={self.box_size!r} of {type(self).__name__} is larger than the volumes, "
                f"which have {self.volume_shape_} voxels."
            )
