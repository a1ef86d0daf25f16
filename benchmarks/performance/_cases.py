"""All cases by name, the most informative first.

A case is a function of a :class:`Setting`, called in a process of its own. It makes data and
estimators, measures, and returns a :class:`Report`.
"""

import tempfile
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from _baselines import seconds_of_epoch, seconds_of_prediction, training_stages
from _harness import PROFILES, Report, seconds_of
from _setting import (
    N_CLASSES,
    TOMOGRAM_SHAPE,
    Setting,
    make_noise,
    make_stack,
    peak_mib,
    resident_mib,
    type_name,
)

from sksubtomo._utils._allocator import keeping_freed_memory
from sksubtomo._utils._batches import rows_per_batch
from sksubtomo.alignment import Annealing
from sksubtomo.augmentation import WedgeAwareAugmentation
from sksubtomo.datasets import make_subtomograms
from sksubtomo.decomposition import Autoencoder, ContrastiveEncoder, VariationalAutoencoder
from sksubtomo.io import extract_subtomograms
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.semi_supervised import (
    AutoencodingClassifier,
    FineTunedClassifier,
    FixMatchClassifier,
    MeanTeacherClassifier,
    MultiReferenceClassifier,
    PseudoLabelClassifier,
    SemiSupervisedVAEClassifier,
)

# --- Networks ------------------------------------------------------------------------------------


def training(
    setting, *, estimator, edge, unit="step", labels="half", parts=None, reference=False, **params
):
    """Train an estimator on noise.

    The seconds of a step are those of an epoch in ``history_``, of a fit that is continued. The
    seconds of an epoch are its share of a whole fit, with validation of the input, the making of
    the net, pre-training, and what happens between epochs.

    Parameters
    ----------
    setting : Setting
        As for all cases.
    estimator : type
        Class of the estimator.
    edge : int
        Edge of the box in voxels.
    unit : {"step", "epoch"}, default="step"
        What is timed.
    labels : {"half", "all", "none"}, default="half"
        Which volumes are labeled.
    parts : dict, optional
        Parts of the paper's network that are trained; by default the cost is unknown.
    reference : bool, default=False
        Whether the reference has the same task.
    **params
        Further parameters of the estimator.
    """
    sizes, n_steps = setting.sizes(edge), setting.profile.n_steps
    n_units = 1 if unit == "step" else n_steps
    X, y = make_noise(sizes["batch_size"] * n_steps, sizes["edge"], labels)
    if labels != "none":
        params["classes"] = range(N_CLASSES)  # few volumes may not show every class
    make = partial(setting.make, estimator, batch_size=sizes["batch_size"], **params)
    # Steps are those of the middle of a long fit, which keeps freed memory.
    with keeping_freed_memory() if unit == "step" else nullcontext():
        seconds = _time_training(setting, make, X, y, unit)
    report = Report(
        unit=unit,
        n_samples=sizes["batch_size"] * n_units,
        parameters={"estimator": estimator.__name__, **sizes, "labels": labels},
        reference_steps=n_units,
        **seconds,
    )
    if reference:
        more = {"n_filters": setting.profile.n_filters, "repeats": max(2, n_steps)}
        report.reference = {**sizes, "task": "train", **more}
    if parts is not None:
        cost = setting.cost(sizes["edge"], **parts)
        report.flops = cost.training_flops(report.n_samples)
        report.bytes = n_units * cost.training_bytes(sizes["batch_size"])
    return report


def _time_training(setting, make, X, y, unit, n_epochs=2):
    """Time a fit and the bare loop on its net, in turns."""
    fitted = make(max_epochs=1).fit(X, y)
    stages = partial(training_stages, fitted, X, y, setting.device)
    n_own, n_all = len(stages()[-1].batches), sum(len(stage.batches) for stage in stages())
    fitted.set_params(warm_start=True)

    def step():
        return fitted.fit(X, y).history_[-1]["dur"] / n_own

    def epoch():
        run = partial(make(max_epochs=n_epochs).fit, X, y)
        return seconds_of(run, setting.device) / n_epochs

    def bare():
        return seconds_of_epoch(stages(), setting.device) / (n_all if unit == "step" else 1)

    bare()  # warms up
    return setting.repeat(step if unit == "step" else epoch, bare)


def prediction(setting, *, method, edge, lazy=False, n_batches=4):
    """Predict some batches with the joint network; the reference runs all of its parts.

    With `lazy`, boxes are extracted from a tomogram in a file meanwhile.
    """
    edge = min(edge, setting.profile.largest_edge)
    # What a GPU gets at a time, and plain code takes for a batch on any device.
    sizes = {"edge": edge, "batch_size": rows_per_batch(edge**3, "cuda")}
    fitted = setting.make(max_epochs=1).fit(*make_noise(N_CLASSES, edge))
    X, y = make_noise(n_batches * sizes["batch_size"], edge)
    source = make_stack(setting.folder, len(X), edge) if lazy else X
    run = partial(getattr(fitted, method), source)

    def ours():
        return seconds_of(run, setting.device) / n_batches

    def bare():
        return seconds_of_prediction(fitted, method, X, y, setting.device) / n_batches

    run()
    more = {"n_filters": setting.profile.n_filters, "repeats": setting.profile.n_turns}
    classifies = method == "predict_proba"
    cost = setting.cost(edge, code=not classifies, classifier=classifies, decoder=False)
    return Report(
        unit="batch",
        n_samples=sizes["batch_size"],
        parameters={"method": method, **sizes, "volumes": type_name(source)},
        reference={**sizes, "task": "predict", **more},
        flops=cost.forward_flops(sizes["batch_size"]),
        bytes=cost.forward_bytes(sizes["batch_size"]),
        **setting.repeat(ours, bare),
    )


def paper(setting, *, n, edge):
    """Fit once with the defaults to as many volumes as the paper trains on, half of them labeled.

    What happens only the first time counts.
    """
    epochs = setting.profile.paper_epochs[edge]
    n, edge = min(n, setting.profile.largest_n), min(edge, setting.profile.largest_edge)
    X, y = make_noise(n, edge, "half")
    estimator = setting.make(classes=range(N_CLASSES), batch_size=64, max_epochs=epochs)
    return Report(
        unit="fit",
        n_samples=n * epochs,
        parameters={"n": n, "edge": edge, "epochs": epochs},
        flops=setting.cost(edge).training_flops(n * epochs),
        ours=[seconds_of(partial(estimator.fit, X, y), setting.device)],
    )


def scaling(setting, *, axis, batch_size=16, n_blocks=2):
    """Time epochs of the joint network as `axis` grows: "n_samples", "edge" or "n_classes".

    The network has two poolings whatever the box, so that only the box grows.
    """
    edges = setting.profile.scales
    values = {"n_samples": (16, 32, 64, 128), "edge": edges, "n_classes": (2, 4, 8, 16)}[axis]
    points, flops = [], []
    for value in values:
        sizes = {"n_samples": 32, "edge": edges[0], "n_classes": N_CLASSES, axis: value}
        n, edge, n_classes = sizes.values()
        X, _ = make_noise(n, edge)
        estimator = setting.make(n_blocks=n_blocks, batch_size=batch_size, max_epochs=3)
        history = estimator.fit(X, np.arange(n) % n_classes).history_
        points.append((value, min(epoch["dur"] for epoch in history[1:])))
        flops.append((value, setting.cost(edge, n_classes, n_blocks=n_blocks).training_flops(n)))
    return Report(
        unit="epoch",
        n_samples=n,
        parameters={"axis": axis, "batch_size": batch_size, "n_blocks": n_blocks},
        ours=[points[-1][1]],
        points=points,
        points_of_operations=flops,
    )


def memory(setting, *, n, lazy=False, n_steps=2):
    """Measure the peak memory of a fit of two steps, on an array or a lazy stack."""
    before, sizes = resident_mib(), setting.sizes(28)
    n, params = min(n, setting.profile.largest_n), {"training__steps_per_epoch": n_steps}
    if lazy:
        X, y = make_stack(setting.folder, n, sizes["edge"]), np.arange(n) % N_CLASSES
        arrays = (X.index, X.tomogram_index, X._centers, y)
        params["training__standardize"] = False  # boxes are normalized one by one
    else:
        arrays = X, y = make_noise(n, sizes["edge"])
    estimator = setting.make(**params, batch_size=sizes["batch_size"], max_epochs=1)
    seconds = seconds_of(partial(estimator.fit, X, y), setting.device)
    data = sum(array.nbytes for array in arrays) / 2**20
    return Report(
        unit="fit of two steps",
        n_samples=n_steps * sizes["batch_size"],
        parameters={"n": n, **sizes, "volumes": type_name(X)},
        ours=[seconds],
        memory={"before_mib": before, "data_mib": data, "peak_mib": peak_mib()},
    )


# --- Without a network ---------------------------------------------------------------------------


def multi_reference(setting):
    """Fit ``MultiReferenceClassifier`` to noise: few iterations of its first stages."""
    sizes = setting.sizes(28)
    n = sizes["batch_size"] * setting.profile.n_steps
    X, y = make_noise(n, sizes["edge"], "half")
    estimator = MultiReferenceClassifier(
        annealing=Annealing(stages=((4.0, 36.0, 1, 2), (5.0, 28.5, 3, 1)), n_frozen_iter=1),
        classes=range(N_CLASSES),
        device=setting.device,
        random_state=0,
    )
    more = {"n": n, "edge": sizes["edge"], "labels": "half"}
    return Report(
        unit="fit of 3 iterations",
        n_samples=n,
        parameters={"estimator": type(estimator).__name__, **more},
        **setting.time(lambda: estimator.fit(X, y)),
    )


def augmentation(setting):
    """Augment a batch: rotate, shift, and cut the missing wedge."""
    sizes = setting.sizes(28)
    volumes, _ = make_noise(sizes["batch_size"], sizes["edge"])
    volumes = torch.from_numpy(volumes).unsqueeze(1).to(setting.device)
    generator = torch.Generator().manual_seed(0)
    run = torch.no_grad()(partial(WedgeAwareAugmentation(), volumes, generator))
    return Report(unit="batch", n_samples=len(volumes), parameters=sizes, **setting.time(run))


def extraction(setting, *, subvoxel):
    """Extract boxes around positions between voxels, from a tomogram in memory."""
    edge, n = setting.sizes(28)["edge"], setting.profile.n_boxes
    rng = np.random.default_rng(0)
    tomogram = rng.standard_normal(TOMOGRAM_SHAPE, dtype=np.float32)
    half = edge // 2 + 1
    centers = rng.uniform(half, np.array(TOMOGRAM_SHAPE) - half, (n, 3))
    run = partial(extract_subtomograms, tomogram, centers, edge, subvoxel=subvoxel)
    return Report(
        n_samples=n,
        parameters={"edge": edge, "subvoxel": subvoxel},
        bytes=2 * 4 * n * edge**3,
        **setting.time(run),
    )


def simulation(setting, *, kind):
    """Simulate volumes; density maps are computed in the warm-up and cached."""
    n = setting.profile.n_boxes
    # At 13 angstrom the largest complex fits into the default box of 28.
    common = {"voxel_size_angstrom": 13.0, "n_jobs": 1, "random_state": 0}
    return Report(
        n_samples=n,
        parameters={"edge": 28, "kind": kind},
        **setting.time(partial(make_subtomograms, n, kind=kind, **common)),
    )


# --- All of them ---------------------------------------------------------------------------------


class Entry(NamedTuple):
    """A case, and when it runs.

    Parameters
    ----------
    title : str
        Title in tables.
    measure : callable
        The case.
    regular : bool
        Whether it belongs to the regular profile; the other profiles have all cases.
    devices : tuple of str
        Devices whose speed it shows.
    once : bool
        Whether one round is enough, whatever is asked for.
    """

    title: str
    measure: Callable[..., Report]
    regular: bool = True
    devices: tuple[str, ...] = ("cpu", "cuda")
    once: bool = False


def train(title, estimator, edge=28, regular=True, **more):
    return Entry(title, partial(training, estimator=estimator, edge=edge, **more), regular)


def train_joint(edge, unit, regular=True):
    more = {"unit": unit, "parts": {}, "reference": True}
    return train(f"joint network, {unit}", AutoencodingClassifier, edge, regular, **more)


def predict(title, method, edge, regular=True, **more):
    return Entry(title, partial(prediction, method=method, edge=edge, **more), regular)


# As many labeled volumes in a batch as there are, so that an epoch is one pass.
_HALF_LABELED = {"training__labeled_share": 0.5}

CASES = {
    "train_joint_28": train_joint(28, "step"),
    "predict_proba_28": predict("probabilities", "predict_proba", 28),
    "train_joint_64": train_joint(64, "step"),
    "predict_proba_64": predict("probabilities", "predict_proba", 64),
    "predict_proba_lazy": predict("probabilities, lazy stack", "predict_proba", 28, lazy=True),
    "epoch_joint_28": train_joint(28, "epoch"),
    "paper_real": Entry(
        "paper's real set", partial(paper, n=1400, edge=28), devices=("cuda",), once=True
    ),
    "train_multi_reference": Entry("references, short fit", multi_reference),
    "train_joint_32": train_joint(32, "step"),
    "transform_28": predict("latent codes", "transform", 28),
    "augment": Entry("augmentation", augmentation),
    "train_cnn": train(
        "supervised, step", CNNClassifier, labels="all", parts={"code": False, "decoder": False}
    ),
    "train_autoencoder": train(
        "autoencoder, step", Autoencoder, labels="none", parts={"classifier": False}
    ),
    "train_vae": train("variational autoencoder, step", VariationalAutoencoder, labels="none"),
    # No probability exceeds the threshold, so that all epochs have the same number of steps.
    "train_pseudo_label": train(
        "self-training, epoch", PseudoLabelClassifier, unit="epoch", threshold=1.0
    ),
    "train_fine_tuned": train(
        "pre-training and fine-tuning, epoch of each", FineTunedClassifier, unit="epoch"
    ),
    "train_semi_supervised_vae": train("deep generative model, step", SemiSupervisedVAEClassifier),
    "train_fix_match": train("FixMatch, step", FixMatchClassifier, **_HALF_LABELED),
    "train_mean_teacher": train("Mean Teacher, step", MeanTeacherClassifier, **_HALF_LABELED),
    "train_contrastive": train("contrastive, step", ContrastiveEncoder, labels="none"),
    "paper_simulated": Entry(
        "paper's simulated set", partial(paper, n=3200, edge=64), devices=("cuda",), once=True
    ),
    **{
        f"scaling_{axis}": Entry(f"epoch by {axis}", partial(scaling, axis=axis))
        for axis in ("n_samples", "edge", "n_classes")
    },
    "memory_1e3": Entry("fit, 1000 in memory", partial(memory, n=1000), once=True),
    "memory_1e4": Entry("fit, 10 000 in memory", partial(memory, n=10_000), once=True),
    "memory_2e5": Entry("fit, 200 000 in a file", partial(memory, n=200_000, lazy=True), once=True),
    **{
        f"extract_{name}": Entry(
            f"extraction, {title}", partial(extraction, subvoxel=name), devices=("cpu",)
        )
        for name, title in (("round", "nearest voxel"), ("interpolate", "interpolated"))
    },
    **{
        f"simulate_{kind}": Entry(
            f"simulation, {kind}", partial(simulation, kind=kind), devices=("cpu",)
        )
        for kind in ("blobs", "single_particle")
    },
    "epoch_joint_32": train_joint(32, "epoch", regular=False),
    "epoch_joint_64": train_joint(64, "epoch", regular=False),
    "transform_lazy": predict("latent codes, lazy stack", "transform", 28, False, lazy=True),
}


def measure(case, profile, device, precision="auto"):
    """Measure a case by its name, and return its report as a dictionary."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few volumes of noise may not show every class
        setting = Setting(PROFILES[profile], device, precision, Path(folder))
        return asdict(CASES[case].measure(setting))
