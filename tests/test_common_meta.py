"""What every classifier around another one must do, and what every unfitted estimator must say."""

import inspect
import warnings

import numpy as np
import pytest
from estimators import ESTIMATORS, META_ESTIMATORS, META_EXPECTED_FAILURES, METAS
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator

from sksubtomo.exceptions import SuspiciousLabelWarning

# Of scikit-learn's own common checks, those that check_estimator leaves out.
EXTRA_CHECKS = [
    "check_dataframe_column_names_consistency",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_tags_renamed",
    "check_inplace_ensure_writeable",
    "check_n_features_in_after_fitting",
    "check_param_validation",
    "check_readonly_memmap_input",
]
EXTRA_TRANSFORMER_CHECKS = [
    "check_get_feature_names_out_error",
    "check_global_output_transform_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
]
# Half a minute each; references are also checked alone.
SLOW = [key for key in METAS if key[1] == "network"]
SLOW += [("MultiReferenceClassifier", "spreading"), ("CandidateClassifier", "references")]
METAS_TO_CHECK = [
    pytest.param(key, marks=[pytest.mark.slow, pytest.mark.timeout(600)] if key in SLOW else [])
    for key in METAS
]

quiet = pytest.mark.filterwarnings(
    "ignore:y contains no unlabeled samples",
    "ignore:All .* labeled volumes",
    "ignore:max_iter=30 was reached:sklearn.exceptions.ConvergenceWarning",
    "ignore:Can't check dok sparse matrix",
    # The checks themselves mix data frames and arrays.
    "ignore:X (does not have valid|has) feature names",
)


def test_table_of_metas_is_complete():
    assert {name for name, _ in METAS} == META_ESTIMATORS


@quiet
@pytest.mark.parametrize("key", METAS_TO_CHECK, ids="-".join)
@pytest.mark.filterwarnings("ignore:.*better than by chance:sklearn.exceptions.ConvergenceWarning")
def test_scikit_learn_checks(key):
    results = check_estimator(METAS[key], on_fail=None, on_skip=None)
    failed = {r["check_name"]: repr(r["exception"]) for r in results if r["status"] == "failed"}
    assert set(failed) == set(META_EXPECTED_FAILURES[key]), failed
    assert not [r["check_name"] for r in results if r["status"] == "skipped"]
    assert len(results) >= (60 if hasattr(METAS[key], "transform") else 55)


@quiet
@pytest.mark.parametrize("key", METAS_TO_CHECK, ids="-".join)
@pytest.mark.filterwarnings("ignore:.*better than by chance:sklearn.exceptions.ConvergenceWarning")
def test_extra_scikit_learn_checks(key):
    transforms = hasattr(METAS[key], "transform")
    for name in EXTRA_CHECKS + EXTRA_TRANSFORMER_CHECKS * transforms:
        getattr(estimator_checks, name)(key[0], METAS[key])


# --- Labels --------------------------------------------------------------------------------------


@quiet
@pytest.mark.parametrize("key", [key for key in METAS if key[1] != "network"], ids="-".join)
def test_misspelled_sentinel_is_warned_of_once(key):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = rng.normal(size=(60, 4)) + 4 * np.eye(3, 4)[y]
    names = np.array([*"ab", "unlabelled"])[y]
    if "spreading" in key:  # takes numbers only
        names = np.where(y == 2, 255, y).astype(np.uint8)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clone(METAS[key]).fit(X, names)
    found = [w for w in caught if issubclass(w.category, SuspiciousLabelWarning)]
    assert len(found) == 1
    assert found[0].filename == __file__


# --- Before fitting ------------------------------------------------------------------------------

FITTING = ("fit", "partial_fit", "fit_transform", "fit_predict")
#: What ``fit`` calls of an estimator with a network, for those who write one.
HOOKS = (
    *("resolve_settings", "encode_targets", "encode_validation", "plan", "network_inputs"),
    *("prepare", "start_from", "record", "conclude", "trains_decoder"),
)
ALL = {**ESTIMATORS, **{"-".join(key): estimator for key, estimator in METAS.items()}}


def methods_that_need_a_fit(estimator):
    """Yield the public methods of an estimator that has no fit yet, with arguments for them."""
    X, y = np.zeros((6, 8, 8, 8), np.float32), np.arange(6) % 3
    for name in dir(type(estimator)):
        if name.startswith(("_", "get_params", "get_metadata", "set_")) or name in (
            *FITTING,
            *HOOKS,
        ):
            continue
        # What available_if takes away raises AttributeError, as it should.
        method = getattr(estimator, name, None)
        if inspect.ismethod(method) or inspect.isfunction(method):
            parameters = inspect.signature(method).parameters.values()
            required = [p.name for p in parameters if p.default is p.empty and p.kind < 2]
            yield name, method, [y if argument == "y" else X for argument in required]


@pytest.mark.parametrize("name", ALL)
def test_methods_say_that_there_was_no_fit(name):
    answers = {}
    for method_name, method, arguments in methods_that_need_a_fit(clone(ALL[name])):
        try:
            answers[method_name] = method(*arguments)
        except Exception as error:
            answers[method_name] = type(error)
    assert answers == dict.fromkeys(answers, NotFittedError)
    assert {"predict", "transform"} & set(answers)
