"""Tables 2 and 3 of the paper at its scale: accuracy and reconstruction by methods and labels.

    python benchmarks/paper_tables.py --set real --device cuda --minutes 8
    python benchmarks/paper_tables.py --set simulated --device cuda --minutes 8
    python benchmarks/paper_tables.py --set tiny           # shows in a minute that all of it runs

The sets are simulated on the spot, and kept in ``--data`` for the next run:

real       like the real one: 2800 volumes of 28 voxels at a signal-to-noise ratio of 0.5, half of
           them to train on; eight complexes, where the real one has seven classes
simulated  the simulated one: eight complexes, 1000 volumes of 64 voxels each at 0.03, of which
           3200 are to train on; takes 8.4 GB
tiny       two complexes, boxes of 16 voxels, one epoch

Training is the paper's: Adam at 1e-4, batches of 64, at most 100 epochs, a tenth held out to stop
by. In the protocol "paper", the held-out volumes have labels on top of the fraction, as in the
published implementation; in "honest", the fraction pays for them. Methods that the paper does not
have, references and a network on augmented views, are fitted with their own settings, and only
where no labels come on top.

The most informative row comes first, and is in the CSV file as soon as it is there. Rows that are
there already are not computed again. ``--minutes`` counts from the start, with the making of the
data: no fit begins that, going by those before, would end later. On a GPU, three fits of the small
set share it by default, since none of them fills it. At the end, tables beside those of the paper
(Markdown) and a figure (PNG) are rendered beside the CSV file; ``--minutes 0`` does only that.
"""

import time
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from _arguments import make_parser, positive
from _label_efficiency_methods import METHODS as BEYOND
from _methods import METHODS, Task
from _paper_numbers import FRACTIONS, THRESHOLD
from _paper_report import draw, render
from _protocols import keep_labels, take_validation
from _results import (
    append_rows,
    ends_in_order,
    environment,
    keys_to_do,
    missing_keys,
    read_rows,
)
from joblib import Parallel, delayed
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.pipeline import Pipeline

import sksubtomo
from sksubtomo.datasets import make_paper_simulated
from sksubtomo.decomposition import Autoencoder
from sksubtomo.preprocessing import VolumeNormalizer

KEY = ("set", "max_epochs", "method", "fraction", "protocol", "seed")
PROTOCOLS = ("paper", "honest")
OF_PAPER = ("joint", "supervised", "pre_trained", "self_trained", "m1_m2", "autoencoder")
NEW = {"references": "recommended", "augmented": "network_on_copies"}
QUICK = {
    "references": {"n_init": 1},
    "augmented": {"max_epochs": 1, "training__steps_per_epoch": 2},
}


class Set(NamedTuple):
    """How a data set is made, and how long networks are trained on it.

    Parameters
    ----------
    like : str
        Data set of the paper.
    n_per_class : int
        Volumes of each class.
    params : dict
        Of :func:`make_paper_simulated`.
    max_epochs : int
        Of each training.
    jobs : int
        Fits at a time on a GPU.
    """

    like: str
    n_per_class: int
    params: dict
    max_epochs: int = 100
    jobs: int = 1


SMALL = {"box_size": 28, "voxel_size_angstrom": 13.7, "snr": 0.5, "train_fraction": 0.5}
TINY = {"box_size": 16, "voxel_size_angstrom": 20.0, "snr": 2.0, "classes": ["groel", "ubid"]}
SETS = {
    "real": Set("real", 350, SMALL, jobs=3),
    "simulated": Set("simulated", 1000, {}),
    "tiny": Set("real", 60, {**TINY, "train_fraction": 0.67}, max_epochs=1),
}


def parse_arguments(arguments=None):
    parser = make_parser(__doc__, "paper_tables", seeds=[0, 1, 2])
    parser.add_argument("--set", choices=SETS, default="real", help="(default: %(default)s)")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="for all of it")
    parser.add_argument("--methods", nargs="+", choices=[*OF_PAPER, *NEW])
    parser.add_argument("--fractions", type=float, nargs="+", default=list(FRACTIONS))
    parser.add_argument("--protocols", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS))
    parser.add_argument("--max-epochs", type=positive, help="default: the paper's 100")
    parser.add_argument("--jobs", type=positive, help="fits at a time")
    parser.add_argument("--data", type=Path, help="folder to keep the data in")
    options = parser.parse_args(arguments)
    has_gpu = torch.cuda.is_available()
    if options.device == "cuda" and not has_gpu:
        parser.error("--device cuda needs a GPU that PyTorch can use")
    if options.device == "auto":
        options.device = "cuda" if has_gpu else "cpu"
    chosen = SETS[options.set]
    options.max_epochs = options.max_epochs or chosen.max_epochs
    options.jobs = options.jobs or (chosen.jobs if options.device == "cuda" else 1)
    options.methods = options.methods or [*OF_PAPER[:2], *NEW, *OF_PAPER[2:]]
    options.data = options.data or Path("paper_tables_data")
    return options


def load(options):
    """Return X, y, rows to train on and rows to test on; volumes are normalized one by one."""
    folder, chosen = options.data / options.set, SETS[options.set]
    made_by = f"{chosen.n_per_class} {chosen.params} sksubtomo {sksubtomo.__version__}"
    if not _is_made_by(folder / "rows.npz", made_by):
        folder.mkdir(parents=True, exist_ok=True)
        made = make_paper_simulated(
            chosen.n_per_class,
            **chosen.params,
            n_jobs=-1 if options.device == "cuda" else 1,
            random_state=0,
        )
        shape = {"dtype": np.float32, "shape": made.X.shape}
        kept = np.lib.format.open_memmap(folder / "volumes.npy", "w+", **shape)
        normalizer = VolumeNormalizer().fit(made.X[:2])
        for start in range(0, len(kept), 64):
            kept[start : start + 64] = normalizer.transform(made.X[start : start + 64])
        kept.flush()
        # Last, so that it says that the volumes are whole.
        rows = {"y": made.y, "train": made.train, "test": made.test}
        np.savez(folder / "rows.npz", made_by=made_by, **rows)
    with np.load(folder / "rows.npz") as rows:
        y, train, test = rows["y"], rows["train"], rows["test"]
    return np.load(folder / "volumes.npy", mmap_mode="r"), y, train, test


def _is_made_by(path, made_by):
    """Tell whether data are there that were made in the same way."""
    if not path.exists():
        return False
    with np.load(path) as rows:
        return str(rows["made_by"]) == made_by


def tasks(options):
    """Yield method, fraction, protocol and seed of the rows, the most informative first."""
    for seed, fraction, protocol in product(options.seeds, options.fractions, options.protocols):
        for method in options.methods:
            if method == "autoencoder" and (fraction, protocol) != (
                options.fractions[0],
                options.protocols[0],
            ):
                continue  # it has no labels, so that one row a seed is all there is
            if method in NEW and protocol == "paper":
                continue
            yield method, fraction, protocol, seed


def make_estimator(options, method, n_volumes, n_labels, seed):
    """Return the estimator of a method."""
    params = {
        "learning_rate": 1e-4,
        "batch_size": 64,
        "max_epochs": options.max_epochs,
        "early_stopping": True,
        "device": options.device,
        "random_state": seed,
    }
    if method == "autoencoder":
        return Autoencoder(**params)
    if method in NEW:
        pipeline = BEYOND[NEW[method]].make(seed)
        quick = QUICK[method] if options.set == "tiny" else {}
        pipeline[-1].set_params(device=options.device, **quick)
        return pipeline
    threshold = THRESHOLD[SETS[options.set].like]
    return METHODS[method].make(Task(params, threshold, n_volumes, n_labels))


def run_one(options, method, fraction, protocol, seed):
    """Fit one method and return its row."""
    volumes, targets, train, test = load(options)
    X, y, X_test = volumes[train], targets[train], volumes[test]
    n_labels, n_validation, validation = round(fraction * len(y)), 0, {}
    if protocol == "paper":
        X, y, X_val, y_val = take_validation(X, y, seed)
        validation, n_validation = {"X_val": X_val, "y_val": y_val}, len(y_val)
    y = keep_labels(y, n_labels, seed)
    estimator = make_estimator(options, method, len(y), n_labels, seed)
    start = time.perf_counter()
    if method == "autoencoder":
        estimator.fit(X, **({"X_val": validation["X_val"]} if validation else {}))
    else:
        estimator.fit(X, y, **validation)
    seconds = time.perf_counter() - start
    return {
        **dict(zip(KEY, key_of(options, method, fraction, protocol, seed), strict=True)),
        "labels": 0 if method == "autoencoder" else int((y != -1).sum()) + n_validation,
        **figures(estimator, X_test, targets[test]),
        "fit_seconds": round(seconds, 2),
        **environment(),
        **({"device": "cpu"} if options.device == "cpu" else {}),
    }


def figures(estimator, X_test, y_test):
    """Return the figures of a fitted estimator; empty what it does not have."""
    found = dict.fromkeys(("accuracy", "balanced_accuracy", "mse", "live_units", "epochs"), "")
    if hasattr(estimator, "predict"):
        predicted = estimator.predict(X_test)
        found["accuracy"] = round(accuracy_score(y_test, predicted), 4)
        found["balanced_accuracy"] = round(balanced_accuracy_score(y_test, predicted), 4)
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    if hasattr(last, "reconstruction_error"):
        found["mse"] = round(float(last.reconstruction_error(X_test).mean()), 5)
        found["live_units"] = int((np.ptp(last.transform(X_test), axis=0) > 0).sum())
    found["epochs"] = getattr(last, "n_iter_", "")
    return found


def key_of(options, method, fraction, protocol, seed):
    """Return what identifies a row, as the CSV file has it."""
    if method == "autoencoder":
        fraction = "none"
    return tuple(map(str, (options.set, options.max_epochs, method, fraction, protocol, seed)))


def run(options):
    """Compute the rows that are missing, as long as there is time."""
    start, deadline = time.monotonic(), 60 * options.minutes
    wanted = {key_of(options, *task): task for task in tasks(options)}
    todo = missing_keys(options.results, KEY, wanted) if options.minutes > 0 else []
    print(f"{len(todo)} of {len(wanted)} rows to compute", flush=True)
    if todo:
        load(options)
    longest = {}
    parallel = Parallel(n_jobs=options.jobs, return_as="generator_unordered", pre_dispatch="all")
    while todo:
        left = deadline - (time.monotonic() - start)
        batch = [key for key in todo if longest.get(wanted[key][0], 0) < left][: options.jobs]
        if not batch or left <= 0:
            print(f"{len(todo)} rows left out: the time is over; run again to go on", flush=True)
            return
        work = (wanted[key] for key in keys_to_do(options.results, KEY, batch))
        for row in parallel(delayed(run_one)(options, *task) for task in work):
            append_rows(options.results, [row], KEY)
            method, seconds = row["method"], row["fit_seconds"]
            longest[method] = max(longest.get(method, 0), float(seconds))
            print(*(row[name] for name in KEY), row["accuracy"], f"{seconds} s", flush=True)
        todo = [key for key in todo if key not in batch]


@ends_in_order
def main(arguments=None):
    options = parse_arguments(arguments)
    run(options)
    if read_rows(options.results):
        print(render(options.results))
        draw(options.results)


if __name__ == "__main__":
    main()
