"""Comparison with references, which has no network."""

from _case import N_CLASSES, Case, make_volumes

from sksubtomo.semi_supervised import MultiReferenceClassifier

# The first stages of the defaults, with few iterations.
_STAGES = ((4.0, 36.0, 1, 2), (5.0, 28.5, 3, 1))


class MultiReferenceCase(Case):
    """A short fit of ``MultiReferenceClassifier`` to noise."""

    unit = "fit of 3 iterations"

    @property
    def parameters(self):
        """Estimator, volumes and box."""
        sizes = {"n": self.n_samples, "edge": self.edge(28)}
        return {"estimator": "MultiReferenceClassifier", **sizes, "labels": "half"}

    @property
    def n_samples(self):
        """Volumes of an epoch of the networks."""
        return self.profile.batch_sizes[28] * self.profile.n_steps

    def setup(self):
        """Make volumes, half of them labelled."""
        self.X, self.y = make_volumes(self.n_samples, self.edge(28))
        self.y[self.n_samples // 2 :] = -1

    def run(self):
        """Fit."""
        MultiReferenceClassifier(
            stages=_STAGES,
            n_frozen_iter=1,
            classes=range(N_CLASSES),
            device=self.device,
            random_state=0,
        ).fit(self.X, self.y)
