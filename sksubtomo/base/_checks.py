"""What an estimator with a network checks before work starts."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_consistent_length

from sksubtomo._torch import resolve_device
from sksubtomo._utils._labels import UNLABELED
from sksubtomo._utils._params import merge_mapping
from sksubtomo._utils._volumes import check_volume_shape, check_volumes
from sksubtomo.base._parameters import (
    NETWORK_CONSTRAINTS,
    NETWORK_DEFAULTS,
    TRAINING_CONSTRAINTS,
    TRAINING_DEFAULTS,
    check_betas,
    check_unchanged,
    fixed_params,
)
from sksubtomo.networks import resolve_backbone

#: Volumes and class indices.
ValidationData = tuple[NDArray[np.float32], NDArray[np.int64]]


class ChecksMixin:
    """Checks of parameters, of volumes and of labels.

    Mixed into :class:`BaseVolumeEstimator`.
    """

    #: Of fewer volumes, there would be no loss to train with, or to watch.
    _fewest_volumes: ClassVar[int] = 1

    _network_defaults: ClassVar[dict[str, Any]] = NETWORK_DEFAULTS
    _network_constraints: ClassVar[dict[str, list]] = NETWORK_CONSTRAINTS
    _training_defaults: ClassVar[dict[str, Any]] = TRAINING_DEFAULTS
    _training_constraints: ClassVar[dict[str, list]] = TRAINING_CONSTRAINTS

    def _check_data(
        self, X: Any, y: Any, *, resume: bool, classes: Any, partial: bool = False
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Validate everything that can be, before work starts."""
        resolve_backbone(self.network)
        fixed = self._fixed_params()
        if resume:
            check_unchanged(self._made_with, fixed)
            self._check_same_shape()
        needs_cubes = self._needs_cubes()  # a wrong augmentation is found here
        X = check_volumes(self, X, volume_shape=self.volume_shape, reset=not resume)
        self._check_number(X, "X")
        if needs_cubes and len(set(self.volume_shape_)) > 1:
            raise ValueError(
                f"augmentation and test_time_rotations need cubes, but X has volumes of shape "
                f"{self.volume_shape_}. Crop them (CenterCropper), or pass volume_shape for flat "
                "rows."
            )
        if y is not None:
            check_consistent_length(X, y)
        targets = self._encode_targets(y, len(X), resume=resume, classes=classes, partial=partial)
        self._criterion_params(targets)  # a wrong class_weight is found here
        return X, targets

    def _encode_targets(
        self, y: Any, n_samples: int, *, resume: bool, classes: Any, partial: bool
    ) -> NDArray[np.int64]:
        """Turn `y` into class indices, -1 for unlabelled; without classes, all are."""
        return np.full(n_samples, UNLABELED)

    def _check_validation(self, X_val: Any, y_val: Any) -> ValidationData | None:
        """Validate what early stopping is to watch."""
        if X_val is None and y_val is None:
            return None
        if X_val is None or not self.early_stopping:
            raise ValueError(
                "X_val and y_val are for early stopping: pass X_val with y_val, and set "
                "early_stopping=True."
            )
        X_val = check_volumes(self, X_val, reset=False, input_name="X_val")
        self._check_number(X_val, "X_val")
        if y_val is not None:
            check_consistent_length(X_val, y_val)
        return X_val, self._encode_validation(y_val, len(X_val))

    def _encode_validation(self, y_val: Any, n_samples: int) -> NDArray[np.int64]:
        """Turn `y_val` into class indices, -1 for unlabelled; without classes, all are."""
        return np.full(n_samples, UNLABELED)

    def _check_number(self, volumes: Any, input_name: str) -> None:
        """Refuse fewer volumes than the loss needs."""
        if len(volumes) < self._fewest_volumes:
            raise ValueError(
                f"{type(self).__name__} compares volumes with each other: {input_name} needs at "
                f"least {self._fewest_volumes} of them, but has n_samples={len(volumes)}."
            )

    def _check_use_of_tilt_ranges(self, X_val: Any) -> None:
        """Refuse tilt ranges where they would not be used."""
        if self.augmentation == "none":
            raise ValueError("tilt_ranges_deg are for augmentation, which is 'none'.")
        if X_val is not None:
            raise ValueError(
                "tilt_ranges_deg are those of X; X_val has none. Let validation_fraction take a "
                "part of X instead."
            )

    def _check_same_shape(self) -> None:
        """Refuse to go on with flat rows that are to be read as volumes of another shape."""
        if self.volume_shape is None:
            return
        shape = check_volume_shape(self.volume_shape)
        if shape != self.volume_shape_:
            raise ValueError(
                f"volume_shape={self.volume_shape!r} differs from the shape {self.volume_shape_} "
                "that the fit was begun with. Begin anew: fit with warm_start=False."
            )

    def _fixed_params(self) -> dict[str, Any]:
        """Return what a net is made with for good, by name."""
        return fixed_params(
            self._checked_network_params(),
            self._checked_training_params(),
            network=self.network,
            early_stopping=bool(self.early_stopping),
            device=resolve_device(self.device),
        )

    def _checked_network_params(self) -> dict[str, Any]:
        return merge_mapping(
            type(self).__name__,
            "network_params",
            self.network_params,
            self._network_defaults,
            self._network_constraints,
        )

    def _checked_training_params(self) -> dict[str, Any]:
        merged = merge_mapping(
            type(self).__name__,
            "training_params",
            self.training_params,
            self._training_defaults,
            self._training_constraints,
        )
        return {**merged, "betas": check_betas(merged["betas"])}

    def _needs_cubes(self) -> bool:
        """Whether copies are more than noise and contrast, which any box can have."""
        views = self._views()
        copies = views.augmentation
        return bool(views.n_test_rotations) or (copies is not None and copies.needs_cubes)
