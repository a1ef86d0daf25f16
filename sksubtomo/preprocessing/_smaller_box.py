"""What transformers to a smaller box share."""

from __future__ import annotations

import reprlib
from typing import ClassVar

from sksubtomo._utils._docs import documented
from sksubtomo._utils._params import EDGES
from sksubtomo._utils._volumes import check_volume_shape
from sksubtomo.preprocessing._base import VolumeTransformer, voxel_names


@documented
class SmallerBoxTransformer(VolumeTransformer):
    """Base of transformers to a smaller box.

    %(parameters_of_a_smaller_box)s
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **VolumeTransformer._parameter_constraints,
        "box_size": EDGES,
    }

    def __init__(self, box_size=None, *, volume_shape=None):
        super().__init__(volume_shape=volume_shape)
        self.box_size = box_size

    def _fit_parameters(self) -> None:
        box_size = self.volume_shape_
        if self.box_size is not None:
            box_size = check_volume_shape(self.box_size, name="box_size")
        if any(new > old for new, old in zip(box_size, self.volume_shape_, strict=True)):
            raise ValueError(
                f"box_size={reprlib.repr(self.box_size)} of {type(self).__name__} is larger than "
                f"the volumes, which have {self.volume_shape_} voxels."
            )
        self.box_size_ = box_size

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns of flat rows.

        Parameters
        ----------
        input_features : array-like of shape (n_voxels,) of str, optional
            Names of the columns that come in; by default those of the data frame in :meth:`fit`.

        Returns
        -------
        names : ndarray of str
            ``voxel_z_y_x`` for every voxel of the new box, counted from its own corner. A box that
            stays keeps its names.

        %(wrong_names)s
        """
        names = super().get_feature_names_out(input_features)
        return names if self.box_size_ == self.volume_shape_ else voxel_names(self.box_size_)
