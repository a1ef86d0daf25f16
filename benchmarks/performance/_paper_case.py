"""The paper's trainings, from beginning to end."""

from _case import N_CLASSES, Case, make_volumes
from _costs import NetworkCost

from sksubtomo.semi_supervised import AutoencodingClassifier

_BATCH_SIZE = 64


class PaperCase(Case):
    """One fit of the defaults on as many volumes as the paper has, for 100 epochs.

    Parameters
    ----------
    profile, device : Profile, str
        As for all cases.
    n, edge : int
        Volumes, and edge of the box.
    """

    unit = "fit"
    needs_gpu = True
    most_rounds = 1
    max_epochs = 100

    def __init__(self, profile, device, *, n, edge):
        super().__init__(profile, device)
        self.n = n
        self.box = edge

    @property
    def parameters(self):
        """Volumes, box and epochs."""
        return {"n": self.n, "edge": self.box, "epochs": self.max_epochs}

    @property
    def n_samples(self):
        """Volumes that the network sees, all epochs together."""
        return self.n * self.max_epochs

    def setup(self):
        """Make volumes, half of them labelled."""
        self.X, self.y = make_volumes(self.n, self.box)
        self.y[self.n // 2 :] = -1

    def run(self):
        """Fit."""
        AutoencodingClassifier(
            classes=range(N_CLASSES),
            batch_size=_BATCH_SIZE,
            max_epochs=self.max_epochs,
            early_stopping=False,
            device=self.device,
            precision=self.precision,
            random_state=0,
        ).fit(self.X, self.y)

    def report(self):
        """Return the seconds of the one fit, with all that comes first."""
        self.setup()
        return {"ours": [self.seconds_of(self.run)], "bare": []}

    def flops(self):
        """Return the operations of the paper's network."""
        return NetworkCost(self.box, N_CLASSES).training_flops(self.n_samples)
