"""Prediction on arrays and on volumes in files."""

import tempfile

from _bare import make_batches, predict
from _case import N_CLASSES, Case, make_volumes
from _costs import NetworkCost
from _stacks import make_stack

from sksubtomo._utils._allocator import keeping_freed_memory
from sksubtomo._utils._batches import rows_per_batch
from sksubtomo.semi_supervised import AutoencodingClassifier

_N_BATCHES = 4  # in a run
_METHOD_OF_NETWORK = {"predict_proba": "classify", "transform": "encode"}


class PredictionCase(Case):
    """Prediction by the joint network.

    The reference runs the whole network, decoder included, as plain code would.

    Parameters
    ----------
    profile, device : Profile, str
        As for all cases.
    method : {"predict_proba", "transform"}
        What is asked for.
    edge : int
        Edge of the box in voxels.
    lazy : bool, default=False
        Whether boxes are cut from a tomogram in a file as they are needed.
    """

    unit = "batch"

    def __init__(self, profile, device, *, method, edge, lazy=False):
        super().__init__(profile, device)
        self.method = method
        self.box = self.edge(edge)
        self.lazy = lazy
        # What a GPU gets at a time, and plain code takes for a batch anywhere.
        self.batch_size = rows_per_batch(self.box**3, "cuda")

    @property
    def parameters(self):
        """Method, box and batch."""
        source = "SubtomogramStack" if self.lazy else "array"
        sizes = {"edge": self.box, "batch_size": self.batch_size}
        return {"method": self.method, **sizes, "volumes": source}

    @property
    def n_samples(self):
        """Volumes in a batch."""
        return self.batch_size

    def setup(self):
        """Fit a network for one epoch, and make the volumes to predict."""
        X, y = make_volumes(N_CLASSES, self.box)
        self.fitted = AutoencodingClassifier(
            max_epochs=1,
            early_stopping=False,
            network_params={"n_filters": self.profile.n_filters},
            device=self.device,
            precision=self.precision,
            random_state=0,
        ).fit(X, y)
        n = _N_BATCHES * self.batch_size
        self.X, self.y = make_volumes(n, self.box)
        self.folder = None
        if self.lazy:
            self.folder = tempfile.TemporaryDirectory()
            self.stack = make_stack(self.folder.name, n, self.box)

    def teardown(self):
        """Remove the tomogram."""
        if self.folder is not None:
            self.folder.cleanup()

    def run(self):
        """Predict some batches."""
        getattr(self.fitted, self.method)(self.stack if self.lazy else self.X)

    def warm_up(self):
        """Predict once, and prepare batches of the package's own size for the network alone."""
        self.run()
        self.fitted.net_.predictor_.eval()
        size = rows_per_batch(self.box**3, self.device)
        self.batches = make_batches(self.X, self.y, size, self.device)
        self.function = self.fitted.net_.prediction_function(_METHOD_OF_NETWORK[self.method])

    def measure(self):
        """Return the seconds per batch of volumes."""
        return super().measure() / _N_BATCHES

    def measure_bare(self):
        """Return the seconds of the network alone."""
        with keeping_freed_memory():
            predict(self.function, self.batches)  # again takes the memory that ours gave back
            return self.seconds_of(lambda: predict(self.function, self.batches)) / _N_BATCHES

    def reference(self):
        """Return the forward pass of the whole network in plain PyTorch."""
        sizes = {"edge": self.box, "batch-size": self.batch_size, "task": "predict"}
        more = {"repeats": self.profile.n_turns, "n-filters": self.profile.n_filters}
        return {**sizes, **more}, 1

    def _cost(self):
        classifies = self.method == "predict_proba"
        parts = {"code": not classifies, "classifier": classifies, "decoder": False}
        return NetworkCost(self.box, N_CLASSES, self.profile.n_filters, **parts)

    def flops(self):
        """Return the operations of the parts that the method needs."""
        return self._cost().forward_flops(self.n_samples)

    def bytes(self):
        """Return the bytes of the parts that the method needs."""
        return self._cost().forward_bytes(self.n_samples)
