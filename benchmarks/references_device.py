"""References on a GPU: how busy it is, and how much faster than two CPU cores.

The same volumes and settings in one run: 1400 volumes of 28 voxels, eight classes, 5 % of the
labels. First, on the GPU, the iterations alone: how many seconds they take, and for how many of
these kernels run, by the profiler. Then fits with the defaults on the GPU and on the CPU, their
accuracy, and for how many volumes both say the same. Each row is written at once::

    python benchmarks/references_device.py
    python benchmarks/references_device.py --device cpu --profile smoke   # shows that all runs
"""

import platform
import time
from typing import NamedTuple

import numpy as np
import torch
from _arguments import make_parser, positive
from _results import (
    append_rows,
    commit,
    cpu_model,
    ends_in_order,
    environment,
    markdown_table,
    read_rows,
    write_markdown,
)
from torch.profiler import ProfilerActivity, profile

from sksubtomo._torch import holding_precision
from sksubtomo._utils._allocator import keeping_freed_memory
from sksubtomo.alignment import (
    Annealing,
    all_coefficients,
    initialized_em,
    measure_noise,
    stage_poses,
)
from sksubtomo.datasets import make_subtomograms
from sksubtomo.model_selection import mask_labels
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import MultiReferenceClassifier

MAX_SHIFT = 2.0
SNR = 0.1
COLUMNS = (
    *("case", "profile", "n", "edge", "n_classes", "n_iter", "seconds", "cpu_seconds"),
    *("kernel_seconds", "busy", "kernels", "peak_mib", "accuracy", "cpu_accuracy", "same_labels"),
)


class Profile(NamedTuple):
    """Volumes, their edge, classes, and stages; None are the defaults."""

    n: int
    edge: int
    n_classes: int
    stages: tuple | None


PROFILES = {
    "regular": Profile(1400, 28, 8, None),
    "smoke": Profile(24, 20, 2, ((3.0, 90.0, 1, 1), (3.0, 72.0, "auto", 2))),
}


def make_data(size):
    """Return volumes, labels of which 5 %, or a quarter of a few volumes, are known, and all."""
    data = make_subtomograms(
        size.n,
        classes=size.n_classes,
        kind="blobs",
        box_size=size.edge,
        voxel_size_angstrom=10.0 * 28 / size.edge,
        snr=SNR,
        max_shift_voxels=MAX_SHIFT / 2,
        random_state=0,
    )
    y = np.unique(data.y, return_inverse=True)[1]
    known = mask_labels(y, labeled_fraction=0.05 if size.n > 100 else 0.25, random_state=0)
    return VolumeNormalizer().fit_transform(data.X), known, y


def make_em(size, X, y, device):
    """Return an EM that is ready to run, made as a fit makes it."""
    stages = Annealing().stages if size.stages is None else size.stages
    shared = {"finest": stages[-1][0], "max_shift": MAX_SHIFT, "mask_radius": None}
    poses = [stage_poses(one, X.shape[1:], tilt_range_deg=60.0, **shared) for one in stages]
    coefficients = all_coefficients(poses[-1], X)
    scale = float(coefficients.abs().square().mean().sqrt())
    noise = measure_noise(poses[-1], X, "auto", 60.0)
    prior = np.full(size.n_classes, 1 / size.n_classes)
    return initialized_em(
        [(grid, one[3]) for grid, one in zip(poses, stages, strict=True)],
        coefficients / scale,
        y,
        n_classes=size.n_classes,
        n_references=1,
        rng=np.random.RandomState(0),
        noise=torch.from_numpy(noise / scale**2).float(),
        prior=prior,
        pseudo_counts=prior * 10,
        perplexity=size.n_classes ** (2 / 3),
        device=device,
    )


def busy_seconds(intervals):
    """Return for how long at least one of the intervals lasts; seconds, any order."""
    total, end = 0.0, -np.inf
    for start, stop in sorted(intervals):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total


def kernels_of(events):
    """Return intervals of the kernels among events of the profiler, by name, in seconds."""
    kernels = {}
    for event in events:
        if event.device_type == torch.autograd.DeviceType.CUDA and not event.name.startswith("Mem"):
            interval = event.time_range.start / 1e6, event.time_range.end / 1e6
            kernels.setdefault(event.name, []).append(interval)
    return kernels


def measure_iterations(size, X, y, device):
    """Run an EM, then the same one under the profiler."""
    cuda = device == "cuda"
    wait = torch.cuda.synchronize if cuda else lambda: None
    em, again, profiled = (make_em(size, X, y, device) for _ in range(3))
    with keeping_freed_memory(), holding_precision("float32", device):
        em.run()  # warms up
        wait()
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        began = time.perf_counter()
        again.run()
        wait()
        seconds = time.perf_counter() - began
        activities = [ProfilerActivity.CUDA] if cuda else [ProfilerActivity.CPU]
        with profile(activities=activities) as profiler:
            profiled.run()
            wait()
    kernels = kernels_of(profiler.events()) if cuda else {}
    busy = busy_seconds([one for intervals in kernels.values() for one in intervals])
    most = sorted(kernels.items(), key=lambda item: -busy_seconds(item[1]))[:8]
    return {
        "n_iter": len(again.history),
        "seconds": round(seconds, 4),
        "kernel_seconds": round(busy, 4) if cuda else "",
        "busy": round(busy / seconds, 3) if cuda else "",
        "kernels": "; ".join(f"{name[:60]} {busy_seconds(one):.4f}" for name, one in most),
        "peak_mib": round(torch.cuda.max_memory_allocated() / 2**20) if cuda else "",
    }


def measure_fit(size, X, known, y, device):
    """Fit on the device, then on the CPU."""
    found, seconds = {}, {}
    hidden = known < 0
    for name in (device, "cpu"):
        annealing = Annealing() if size.stages is None else Annealing(stages=size.stages)
        classifier = MultiReferenceClassifier(annealing=annealing, device=name, random_state=0)
        began = time.perf_counter()
        found[name] = classifier.fit(X, known).transduction_[hidden]
        seconds[name] = time.perf_counter() - began
    return {
        "n_iter": len(classifier.history_),
        "seconds": round(seconds[device], 3),
        "cpu_seconds": round(seconds["cpu"], 3),
        "accuracy": round(float(np.mean(found[device] == y[hidden])), 4),
        "cpu_accuracy": round(float(np.mean(found["cpu"] == y[hidden])), 4),
        "same_labels": round(float(np.mean(found[device] == found["cpu"])), 4),
    }


def run(options):
    """Measure, and append a row for each case as soon as it is there."""
    size = PROFILES[options.profile]
    torch.set_num_threads(options.threads)
    X, known, y = make_data(size)
    shared = {"profile": options.profile, "n": size.n, "edge": size.edge}
    shared["n_classes"] = size.n_classes
    where = {
        **environment(),
        **({"device": "cpu"} if options.device == "cpu" else {}),
        "cpu": cpu_model(),
        "commit": commit("sksubtomo", "benchmarks/references_device.py"),
        "python": platform.python_version(),
    }
    cases = {
        "iterations": lambda: measure_iterations(size, X, known, options.device),
        "fit": lambda: measure_fit(size, X, known, y, options.device),
    }
    for name, measure in cases.items():
        row = {**dict.fromkeys(COLUMNS, ""), "case": name, **shared, **measure(), **where}
        append_rows(options.results, [row])
        print(*(f"{key}={row[key]}" for key in COLUMNS if row[key] != ""), flush=True)


def render(path):
    """Write the table beside the CSV file and return it."""
    header = ["device", "threads", *COLUMNS]
    rows = [[row[column] for column in header] for row in read_rows(path)]
    lines = [f"Rendered by `python benchmarks/references_device.py` from `{path.name}`.", ""]
    names = [column.replace("_", " ") for column in header]
    return write_markdown(path, [*lines, *markdown_table(names, rows)])


def parse_arguments(given=None):
    parser = make_parser(__doc__, "references_device")
    parser.add_argument("--profile", choices=PROFILES, default="regular")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--threads", type=positive, default=2, help="of the CPU")
    options = parser.parse_args(given)
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda needs a GPU that PyTorch can use")
    return options


@ends_in_order
def main(given=None):
    options = parse_arguments(given)
    run(options)
    render(options.results)


if __name__ == "__main__":
    main()
