"""How the time of an epoch grows."""

import numpy as np
from _case import Case, make_volumes
from _costs import NetworkCost

from sksubtomo.networks import Liu2019
from sksubtomo.semi_supervised import AutoencodingClassifier

AXES = ("n_samples", "edge", "n_classes")
_BATCH_SIZE, _N_BLOCKS = 16, 2
_N_BATCHES = (1, 2, 4, 8)
_N_CLASSES = (2, 4, 8, 16)


class ScalingCase(Case):
    """Epochs of the joint network as one number grows, and the exponent.

    The network has two poolings for all boxes, so that boxes alone grow.

    Parameters
    ----------
    profile, device : Profile, str
        As for all cases.
    axis : {"n_samples", "edge", "n_classes"}
        What grows.
    """

    unit = "epoch"

    def __init__(self, profile, device, *, axis):
        super().__init__(profile, device)
        self.axis = axis

    @property
    def parameters(self):
        """What grows."""
        return {"axis": self.axis, "batch_size": _BATCH_SIZE, "n_blocks": _N_BLOCKS}

    def values(self):
        """Return the values of what grows."""
        if self.axis == "edge":
            return self.profile.scales
        if self.axis == "n_samples":
            return tuple(_BATCH_SIZE * n for n in _N_BATCHES)
        return _N_CLASSES

    def _sizes(self, value):
        sizes = {"n_samples": 2 * _BATCH_SIZE, "edge": self.profile.scales[0], "n_classes": 8}
        return {**sizes, self.axis: value}

    def _epoch_seconds(self, value):
        """Return the least seconds of an epoch after the first."""
        sizes = self._sizes(value)
        X, _ = make_volumes(sizes["n_samples"], sizes["edge"])
        fitted = AutoencodingClassifier(
            network=Liu2019(n_blocks=_N_BLOCKS, n_filters=self.profile.n_filters),
            batch_size=_BATCH_SIZE,
            max_epochs=3,
            early_stopping=False,
            device=self.device,
            precision=self.precision,
            random_state=0,
        ).fit(X, np.arange(len(X)) % sizes["n_classes"])
        return min(epoch["dur"] for epoch in fitted.history_[1:])

    def report(self):
        """Return the seconds of all points; the largest stands for the case."""
        points = {str(value): self._epoch_seconds(value) for value in self.values()}
        return {"ours": [points[str(self.values()[-1])]], "bare": [], "points": points}

    def expected_exponent(self):
        """Return the exponent of the operations, as they are counted."""
        flops = []
        for value in self.values():
            sizes = self._sizes(value)
            shape = (sizes["edge"], sizes["n_classes"], self.profile.n_filters)
            cost = NetworkCost(*shape, n_blocks=_N_BLOCKS)
            flops.append(cost.training_flops(sizes["n_samples"]))
        return fit_exponent(self.values(), flops)

    def figures(self, reports):
        """Return the exponents of all rounds, their spread, and the medians of the points."""
        exponents = [fit_exponent(self.values(), list(r["points"].values())) for r in reports]
        low, middle, high = np.percentile(exponents, [25, 50, 75])
        medians = {
            value: np.median([r["points"][str(value)] for r in reports]) for value in self.values()
        }
        return {
            "exponent": round(middle, 3),
            "exponent_low": round(low, 3),
            "exponent_high": round(high, 3),
            "exponent_of_operations": round(self.expected_exponent(), 3),
            "points": " ".join(f"{value}:{seconds:.4g}" for value, seconds in medians.items()),
        }


def fit_exponent(values, seconds):
    """Return the slope of the logarithms, by least squares."""
    return float(np.polyfit(np.log(values), np.log(seconds), 1)[0])
