"""Training: steps and epochs."""

import math
import warnings
from contextlib import nullcontext

from _bare import make_batches, train_epoch
from _case import N_CLASSES, Case, make_volumes
from _costs import NetworkCost

from sksubtomo._utils._allocator import keeping_freed_memory

_N_EPOCHS = 2  # of a whole fit


class TrainingCase(Case):
    """Fits of an estimator on noise.

    Parameters
    ----------
    profile, device : Profile, str
        As for all cases.
    estimator : type
        Class of the estimator.
    edge : int
        Edge of the box in voxels.
    unit : {"step", "epoch"}, default="step"
        A step takes what an epoch's duration in ``history_`` says, of a fit that goes on. An
        epoch takes its share of a whole fit, with checks, the making of the net, first stages, and
        what happens between epochs.
    labels : {"half", "all", "none"}, default="half"
        Which volumes have a label.
    parts : dict, optional
        Parts of the paper's network that :class:`NetworkCost` has to know of; None is another
        network, whose cost is not known.
    is_reference : bool, default=False
        Whether the reference does the same.
    **params
        Further parameters of the estimator.
    """

    def __init__(
        self,
        profile,
        device,
        *,
        estimator,
        edge,
        unit="step",
        labels="half",
        parts=None,
        is_reference=False,
        **params,
    ):
        super().__init__(profile, device)
        self.estimator = estimator
        self.box = self.edge(edge)
        self.batch_size = profile.batch_sizes[edge]
        self.unit = unit
        self.labels = labels
        self.parts = parts
        self.is_reference = is_reference
        self.params = params

    @property
    def parameters(self):
        """Estimator, box and batch."""
        return {
            "estimator": self.estimator.__name__,
            "edge": self.box,
            "batch_size": self.batch_size,
            "labels": self.labels,
        }

    @property
    def n_samples(self):
        """Volumes in a step, or in the epoch."""
        return self.batch_size * (1 if self.unit == "step" else self.profile.n_steps)

    def setup(self):
        """Make volumes, and name the classes, since few volumes have a label."""
        n = self.batch_size * self.profile.n_steps
        self.X, self.y = make_volumes(n, self.box)
        if self.labels == "half":
            self.y[n // 2 :] = -1
        elif self.labels == "none":
            self.y[:] = -1

    def _make(self, max_epochs):
        params = {
            "batch_size": self.batch_size,
            "max_epochs": max_epochs,
            "early_stopping": False,
            "device": self.device,
            "precision": self.precision,
            "random_state": 0,
            **self.params,
        }
        if self.profile.n_filters != 32:
            params["network__n_filters"] = self.profile.n_filters
        if self.labels != "none":
            params["classes"] = range(N_CLASSES)
        return self.estimator().set_params(**params)

    def _fit(self, max_epochs):
        self.fitted = self._make(max_epochs)
        return self._go_on()

    def _go_on(self):
        with warnings.catch_warnings():
            # Few volumes of noise may not show every class.
            warnings.simplefilter("ignore")
            return self.fitted.fit(self.X, self.y)

    def run(self):
        """Fit for some epochs."""
        self._fit(_N_EPOCHS)

    def report(self):
        """Measure in turns; steps with memory kept, as in the middle of a long fit."""
        with keeping_freed_memory() if self.unit == "step" else nullcontext():
            return super().report()

    def warm_up(self):
        """Fit for an epoch; where steps are timed, for the next fits to go on."""
        self._fit(1)
        self.fitted.set_params(warm_start=self.unit == "step")
        self.measure_bare()

    def measure(self):
        """Return seconds per step from the history, or seconds of a fit per epoch."""
        if self.unit == "epoch":
            return super().measure() / _N_EPOCHS
        return self._go_on().history_[-1]["dur"] / self._n_batches()

    def _n_batches(self):
        """Return the batches in an epoch of the estimator's own net."""
        _, rows = self._nets()[-1]
        return math.ceil(len(self.X[rows]) / self.batch_size)

    def measure_bare(self):
        """Return the same of the bare loop, which trains the net of the fit."""
        loops = [(net, self._batches(rows)) for net, rows in self._nets()]
        n_batches = sum(len(batches) for _, batches in loops) if self.unit == "step" else 1

        def epoch():
            for net, batches in loops:
                train_epoch(net, batches)

        with keeping_freed_memory():  # the fit has it, and it is no part of the loop
            return self.seconds_of(epoch) / n_batches

    def _nets(self):
        """Return nets, those of first stages first, and the rows that they learn from."""
        first = getattr(self.fitted, "autoencoder_", None)
        own = slice(None) if self.fitted._learns_from_unlabeled else self.y != -1
        stages = [] if first is None else [(first.net_, slice(None))]
        return [*stages, (self.fitted.net_, own)]

    def _batches(self, rows):
        scaling = {"offset": self.fitted.offset_, "scale": self.fitted.scale_}
        X, y = self.X[rows], self.y[rows]
        return make_batches(X, y, self.batch_size, self.device, **scaling)

    def reference(self):
        """Return the same training in plain PyTorch."""
        if not self.is_reference:
            return None
        steps = 1 if self.unit == "step" else self.profile.n_steps
        sizes = {"edge": self.box, "batch-size": self.batch_size, "task": "train"}
        repeats = max(2, self.profile.n_steps)
        return {**sizes, "repeats": repeats, "n-filters": self.profile.n_filters}, steps

    def _cost(self):
        if self.parts is None:
            return None
        return NetworkCost(self.box, N_CLASSES, self.profile.n_filters, **self.parts)

    def flops(self):
        """Return the operations of the paper's network."""
        cost = self._cost()
        return None if cost is None else cost.training_flops(self.n_samples)

    def bytes(self):
        """Return the bytes of the paper's network."""
        cost = self._cost()
        if cost is None:
            return None
        steps = self.n_samples // self.batch_size
        return steps * cost.training_bytes(self.batch_size)
