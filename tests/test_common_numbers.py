"""Numbers of NumPy do what numbers of Python do, in every parameter of every estimator."""

import numpy as np
import pytest
from estimators import ESTIMATORS, NETWORKS
from sklearn.base import clone, is_classifier

# Exact in float32, so that a number is the same in all types.
FLOATS = {
    "learning_rate": 2.0**-8,
    "alpha": 0.5,
    "beta": 2.0,
    "consistency": 0.5,
    "threshold": 0.75,
    "ramp_up": 0.5,
    "cutoff": 0.25,
}
TRAINING = {
    "validation_fraction": 0.125,
    "sparsity": 2.0**-10,
    "reconstruction__unlabeled_weight": 0.25,
    "reconstruction__sparsity": 2.0**-10,
    "consistency__threshold": 0.75,
    "strong_augmentation__noise_std": 0.25,
    "warm_up_epochs": 2,
    "refresh_interval": 2,
    "pretrain_epochs": 2,
    "n_hidden": 16,
    "noise_std": 0.5,
    "temperature": 0.5,
    "n_projections": 8,
    "betas": (0.5, 0.75),
    "weight_decay": 2.0**-10,
    "n_iter_no_change": 3,
    "standardize": True,
    "average_decay": 0.5,
    "labeled_share": 0.25,
    "steps_per_epoch": 3,
    "n_workers": 0,
    "accelerate": False,
}
AUGMENTATION = {
    "tilt_range_deg": (-50.0, 60.0),
    "rotate": True,
    "max_shift_voxels": 1.5,
    "oversampling": 1,
    "noise_std": 0.25,
    "contrast": 0.125,
    "low_pass": (0.25, 0.5),
    "n_test_rotations": 2,
}


def to_numpy(value, bits):
    """Replace numbers by NumPy's of so many bits."""
    if isinstance(value, dict):
        return {name: to_numpy(item, bits) for name, item in value.items()}
    if isinstance(value, tuple):
        return tuple(to_numpy(item, bits) for item in value)
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, int):
        return np.dtype(f"int{bits}").type(value)
    return np.dtype(f"float{bits}").type(value) if isinstance(value, float) else value


def numbers_of(estimator):
    """Parameters of an estimator that are numbers, those of its settings included."""
    params = estimator.get_params(deep=False)
    chosen = {name: value for name, value in FLOATS.items() if name in params}
    if params.get("augmentation") == "none":  # nothing to be consistent with
        chosen.pop("consistency", None)
    for name, value in params.items():
        is_number = isinstance(value, int | float) or name == "volume_shape"
        if is_number and name not in chosen and value is not None:
            chosen[name] = value
    if "training" in params:
        uses = estimator.uses
        known = {*uses.training._get_param_names()} - {*uses.unused}
        for name, value in TRAINING.items():
            if name.partition("__")[0] in known:
                chosen[f"training__{name}"] = value
        chosen["network__n_filters"], chosen["network__n_blocks"] = 4, 1
        chosen["early_stopping"] = True
    return chosen


def outputs(estimator, X):
    return estimator.predict_proba(X) if is_classifier(estimator) else estimator.transform(X)


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_numpy_numbers(name, bits, mostly_hidden):
    X, y = mostly_hidden
    plain = clone(ESTIMATORS[name])
    if name in NETWORKS:
        plain.set_params(max_epochs=2)
    params = numbers_of(plain)
    numpy = clone(plain).set_params(**to_numpy(params, bits))
    plain.set_params(**params)
    assert np.array_equal(outputs(plain.fit(X, y), X), outputs(numpy.fit(X, y), X))
    if name in NETWORKS:
        for model in (plain, numpy):
            model.set_params(warm_start=True).fit(X, y)
        assert np.array_equal(outputs(plain, X), outputs(numpy, X))


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("name", sorted(n for n in NETWORKS if "Classifier" in n))
def test_numpy_numbers_in_augmentation(name, bits, mostly_hidden):
    X, y = mostly_hidden
    plain = clone(NETWORKS[name]).set_params(max_epochs=1)
    plain.set_params(augmentation="rotations")
    params = {f"augmentation__{key}": value for key, value in AUGMENTATION.items()}
    if "consistency" in plain.get_params():
        params["consistency"] = FLOATS["consistency"]
    numpy = clone(plain).set_params(**to_numpy(params, bits))
    plain.set_params(**params)
    assert np.array_equal(outputs(plain.fit(X, y), X), outputs(numpy.fit(X, y), X))
