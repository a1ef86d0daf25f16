"""What the meta-estimators of this package share."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils.metadata_routing import UNUSED, MetadataRouter, MethodMapping

from sksubtomo._utils._docs import documented
from sksubtomo._utils._meta_classifier import BaseMetaClassifier
from sksubtomo._utils._params import NumberInterval
from sksubtomo._utils._routing import routed_params, routing_is_enabled
from sksubtomo._utils._sklearn import HasMethods
from sksubtomo.calibration._folds import splitter_of


@documented
class BaseHeldOutClassifier(BaseMetaClassifier):
    """Base of classifiers that learn from what clones say of labels they were not fitted on.

    Metadata of ``fit`` go to the classifier inside, in every fold those of its volumes; ``groups``
    go to the splitter, with or without scikit-learn's metadata routing.
    """

    # It is the splitter that asks for them.
    __metadata_request__fit: ClassVar[dict[str, str]] = {"groups": UNUSED}

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "cv": [
            NumberInterval(Integral, 2, None, closed="left"),
            HasMethods(["split", "get_n_splits"]),
            None,
        ],
        "n_jobs": [NumberInterval(Integral, None, None, closed="neither"), None],
    }

    def _route_fit(self, groups: Any, params: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Return the groups of the splitter, and the metadata for the classifier inside."""
        if groups is None or not routing_is_enabled():
            return groups, routed_params(self, "fit", params)["estimator"]["fit"]
        routed = routed_params(self, "fit", {**params, "groups": groups})
        return routed["splitter"]["split"].get("groups"), routed["estimator"]["fit"]

    def get_metadata_routing(self) -> MetadataRouter:
        """Return which metadata go to the classifier inside and to the splitter.

        %(routing)s
        """
        splitting = MethodMapping().add(caller="fit", callee="split")
        router = super().get_metadata_routing()
        return router.add(splitter=splitter_of(self.cv), method_mapping=splitting)
