"""The one gate to scikit-learn's private names.

They may move in any release of scikit-learn: this module is where that is to be followed.
"""

from sklearn.base import _fit_context as fit_context
from sklearn.model_selection._split import GroupsConsumerMixin
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._metadata_requests import MetadataRequest
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
    validate_params,
)
from sklearn.utils.validation import _num_samples as num_samples

__all__ = [
    "GroupsConsumerMixin",
    "HasMethods",
    "Interval",
    "MetadataRequest",
    "StrOptions",
    "fit_context",
    "num_samples",
    "safe_indexing",
    "validate_parameter_constraints",
    "validate_params",
]
