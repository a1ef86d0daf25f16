"""What all classifiers of volumes share: labels, probabilities, a score that ignores -1."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.utils import compute_class_weight
from sklearn.utils.validation import check_is_fitted

from sksubtomo._utils._docs import documented
from sksubtomo._utils._labeled_classifier import LabeledClassifierMixin
from sksubtomo._utils._labels import (
    check_enough_classes,
    encode_labels,
    is_unlabeled,
    uniform_labels,
)
from sksubtomo._utils._scoring import refuse_scoring_unlabeled
from sksubtomo._utils._sklearn import StrOptions, fit_context
from sksubtomo._utils._volumes import check_volumes
from sksubtomo.base._estimator import BaseVolumeEstimator
from sksubtomo.networks import AutoencodingNetwork
from sksubtomo.training import FitSettings, JointLoss, Plan


@documented
class BaseVolumeClassifier(LabeledClassifierMixin, BaseVolumeEstimator):
    """Base of classifiers of volumes, of which some may be unlabeled.

    By default it plans the supervised network; a subclass that replaces the loss or the views
    changes that plan.
    """

    classes_: NDArray

    #: Whether volumes without a label have a part in the fit, and get one by it.
    is_semi_supervised: ClassVar[bool] = False

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **BaseVolumeEstimator._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "classes": ["array-like", None],
    }

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, classes=None):
        """Train for one more epoch on the given volumes, without validation.

        Parameters
        ----------
        %(X)s
        y : array-like of shape (n_samples,)
            Labels as in :meth:`fit`. Where unlabeled volumes are learned from, all may be
            unlabeled in any one call.
        classes : array-like of shape (n_classes,), optional
            All classes there will be; needed in the first call, unless the estimator
            has its parameter ``classes``. The label that means "unlabeled" may be among them, as
            in ``np.unique(y)``, and is left out.

        %(fitted_self)s

        Raises
        ------
        ValueError
            As :meth:`fit`; also for a class or a box size that the first call did not have.
        """
        self._partial_fit(X, y, classes)
        if self.is_semi_supervised:  # of other volumes
            self.__dict__.pop("transduction_", None)
        return self

    def predict_proba(self, X):
        """Return class probabilities.

        %(volumes)s

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes) of float32
            Columns in the order of ``classes_``. A row does not depend on the rows beside it.
        """
        check_is_fitted(self, "net_")
        refuse_scoring_unlabeled()
        return self._forward("classify", check_volumes(self, X, reset=False))

    def predict_log_proba(self, X):
        """Return logarithms of class probabilities.

        %(volumes)s

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes) of float32
            Columns in the order of ``classes_``. They are finite also where a probability is too
            small for a float32, unless it is a mean over ``n_test_rotations`` views.
        """
        check_is_fitted(self, "net_")
        refuse_scoring_unlabeled()
        volumes = check_volumes(self, X, reset=False)
        if not self.net_.views.n_test_rotations:
            return log_softmax(self._forward("logits", volumes), axis=1)
        with np.errstate(divide="ignore"):
            return np.log(self._forward("classify", volumes))

    def decision_function(self, X):
        """Return unnormalized log-probabilities, the logits of the network.

        %(volumes)s

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes) or (n_samples,) of float32
            Columns in the order of ``classes_``. With two classes, the logit of the second minus
            that of the first. With ``n_test_rotations``, means over the views; their largest
            need not be that of the mean probabilities, by which :meth:`predict` goes.
        """
        check_is_fitted(self, "net_")
        refuse_scoring_unlabeled()
        logits = self._forward("logits", check_volumes(self, X, reset=False))
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def features(self, X):
        """Return what the last stage of the network's classifier is given.

        %(volumes)s

        Returns
        -------
        features : ndarray of shape (n_samples, n_features) of float32
            The encoder's last feature map, flattened.
        """
        check_is_fitted(self, "net_")
        return self._forward("features", check_volumes(self, X, reset=False))

    def predict(self, X):
        """Return the most probable class; never the label that means "unlabeled".

        %(volumes)s

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels, of the type of ``classes_``.
        """
        check_is_fitted(self, "net_")
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def encode_targets(
        self, y: Any, n_samples: int, *, resume: bool, classes: Any, partial: bool
    ) -> NDArray[np.int64]:
        """Turn `y` into class indices, -1 for unlabeled, and set ``classes_``."""
        if classes is not None:
            classes = np.asarray(classes)
            classes = classes[~is_unlabeled(classes)]
        given = self.classes if classes is None else classes
        if resume and given is not None:
            self._check_same_classes(given)
        if partial and not resume and given is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        targets, class_values = encode_labels(y, self.classes_ if resume else given)
        check_enough_classes(
            type(self).__name__,
            targets,
            class_values,
            needs_labels=not (partial and self.learns_from_unlabeled),
        )
        self.classes_ = class_values
        return targets

    def _check_same_classes(self, given: Any) -> None:
        """Refuse to go on with other classes than those that the network has outputs for."""
        classes = np.unique(uniform_labels(np.asarray(given)))
        if not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"classes={classes.tolist()} differs from the classes that the fit was begun with, "
                f"{self.classes_.tolist()}. Begin anew: fit with warm_start=False."
            )

    def encode_validation(self, y_val: Any, n_samples: int, plan: Plan) -> NDArray[np.int64]:
        """Turn `y_val` into class indices, -1 for unlabeled."""
        targets, _ = encode_labels(y_val, self.classes_, input_name="y_val")
        if not (plan.watches_unlabeled or (targets >= 0).any()):
            raise ValueError(
                "y_val holds no label, and the loss that early stopping watches is one of labeled "
                "volumes only. Pass the labels of X_val, or leave X_val out."
            )
        return targets

    def conclude(self, volumes: Any, targets: NDArray[np.int64]) -> None:
        """Set ``transduction_``, of semi-supervised classifiers."""
        if not self.is_semi_supervised:
            return
        if (targets < 0).any():
            predicted = self._forward("classify", volumes).argmax(axis=1)
            targets = np.where(targets < 0, predicted, targets)
        self.transduction_ = self.classes_[targets]

    def plan(self, settings: FitSettings, targets: NDArray[np.int64]) -> Plan:
        """Plan the supervised network: encoder and classifier, trained by the cross-entropy."""
        return Plan(
            AutoencodingNetwork,
            {
                "volume_shape": self.volume_shape_,
                "network": settings.network,
                "n_classes": len(self.classes_),
                "latent_dim": None,
            },
            JointLoss(class_weight=self._class_weights(targets)),
            settings.views(),
            watches_unlabeled=False,
        )

    def _class_weights(self, targets: NDArray[np.int64]) -> torch.Tensor | None:
        """Weight of every class from ``class_weight``; 1 for classes that it does not weigh."""
        if self.class_weight is None:
            return None
        if isinstance(self.class_weight, dict):
            weights = self._given_class_weights(self.class_weight)
        else:
            seen = np.unique(targets[targets >= 0])
            weights = np.ones(len(self.classes_))
            if len(seen):
                weights[seen] = compute_class_weight(
                    self.class_weight,
                    classes=self.classes_[seen],
                    y=self.classes_[targets[targets >= 0]],
                )
        return torch.tensor(weights, dtype=torch.float32)

    def _given_class_weights(self, class_weight: dict[Any, float]) -> NDArray[np.float64]:
        """Return the weights in the order of the classes, whichever of them have a label here."""
        known = self.classes_.tolist()
        unknown = [name for name in class_weight if name not in known]
        # Names of classes without a label here do no harm, where all others are weighed.
        if unknown and any(name not in class_weight for name in known):
            raise ValueError(
                f"class_weight weighs {unknown}, which are not among the classes {known}. If they "
                "exist but have no label here, name all classes by classes=."
            )
        return np.array([class_weight.get(name, 1.0) for name in known], dtype=np.float64)

    def _class_shares(self, targets: NDArray[np.int64]) -> torch.Tensor:
        """Share of each class among the labels, as if each had one label more (Laplace).

        Without a label, as may be in a partial fit, those of the last call.
        """
        live = getattr(getattr(self, "net_", None), "criterion_", None)
        known = getattr(live, "consistency", None)
        if not (targets >= 0).any() and known is not None:
            return known.shares.cpu()
        counts = np.bincount(targets[targets >= 0], minlength=len(self.classes_)) + 1
        return torch.tensor(counts / counts.sum(), dtype=torch.float32)
