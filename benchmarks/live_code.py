"""Does the code of the joint network live at low signal-to-noise ratios, and what is it worth?

    python benchmarks/live_code.py                              # 30 epochs at 1e-3
    python benchmarks/live_code.py --protocols slow             # 100 epochs at 1e-4
    python benchmarks/live_code.py --sparsity 1e-4 --snrs 0.5   # the paper's loss and network

fits :class:`AutoencodingClassifier`, its defaults otherwise, to 380 volumes of the simulated
microscope with 8 labels a class, and compares on the other 100: the mean squared error with that of
a principal component analysis (PCA) of 32 components fitted to the same volumes, and the
correlation with the clean volumes with that of the noisy input, low-passed at the cutoff that is
best for them. One row for every sparsity, protocol, signal-to-noise ratio and seed goes to
``benchmarks/results/live_code.csv``; rows that are there are not computed again. A table is
rendered to ``live_code.md`` beside it.
"""

import time
from itertools import product

import numpy as np
from _arguments import make_parser
from _results import (
    append_rows,
    ends_in_order,
    environment,
    keys_to_do,
    markdown_table,
    read_rows,
    write_markdown,
)
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from sksubtomo.datasets import make_paper_simulated
from sksubtomo.fourier import gaussian_low_pass
from sksubtomo.model_selection import mask_labels
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import AutoencodingClassifier
from sksubtomo.training import JointTraining, Reconstruction

PROTOCOLS = {
    "fast": {"max_epochs": 30, "learning_rate": 1e-3},
    "slow": {"max_epochs": 100, "learning_rate": 1e-4},
}
# Of half amplitude, in cycles per voxel.
CUTOFFS = np.arange(0.05, 0.5, 0.01)
# What is as good as no noise, and yet no division by zero.
CLEAN_SNR = 1e8
N_COMPONENTS = 32
KEYS = ("sparsity", "protocol", "snr", "seed")


def simulate(snr, seed, n_per_class=60, **params):
    """Return noisy volumes, normalized, the same without noise, and their classes."""
    common = {"box_size": 28, "voxel_size_angstrom": 13.7, "random_state": seed, **params}
    noisy = make_paper_simulated(n_per_class, snr=snr, **common)
    clean = make_paper_simulated(n_per_class, snr=CLEAN_SNR, **common)
    if not np.array_equal(noisy.y, clean.y) or not np.allclose(
        noisy.coordinates, clean.coordinates
    ):
        raise RuntimeError("Noisy and clean volumes are not of the same particles.")
    return VolumeNormalizer().fit_transform(noisy.X), np.asarray(clean.X), noisy.y


def split(y, seed, n_train=380):
    """Return the rows to train on, those to test on, and 8 labels a class of the former."""
    rows = np.arange(len(y))
    train, test = train_test_split(rows, train_size=n_train, stratify=y, random_state=seed)
    return train, test, mask_labels(y[train], n_per_class=8, random_state=seed)


def correlation(volumes, others):
    """Return the mean over pairs of volumes of their correlation coefficient; 0 of a constant."""
    pairs = [x.reshape(len(x), -1).astype(np.float64) for x in (volumes, others)]
    first, second = (x - x.mean(axis=1, keepdims=True) for x in pairs)
    norms = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    products = (first * second).sum(axis=1)
    return float(np.divide(products, norms, out=np.zeros_like(norms), where=norms > 0).mean())


def rivals(X_train, X_test, clean):
    """Return the figures of what the network is compared with."""
    pca = PCA(N_COMPONENTS, svd_solver="randomized", random_state=0)
    pca.fit(X_train.reshape(len(X_train), -1))
    codes = pca.transform(X_test.reshape(len(X_test), -1))
    projected = pca.inverse_transform(codes).reshape(X_test.shape)
    low_passed = {
        cutoff: correlation(gaussian_low_pass(X_test, cutoff), clean) for cutoff in CUTOFFS
    }
    cutoff = max(low_passed, key=low_passed.get)
    return {
        "error_pca32": float(np.square(projected - X_test).mean()),
        "error_mean": float(np.square(X_train.mean(axis=0) - X_test).mean()),
        "correlation_pca32": correlation(projected, clean),
        "correlation_low_pass": low_passed[cutoff],
        "cutoff": float(cutoff),
    }


def figures(classifier, X_test, y_test, clean):
    """Return the figures of a fitted network, of held-out volumes."""
    codes, reconstructions = classifier.transform(X_test), classifier.reconstruct(X_test)
    squared_error = np.square(reconstructions - X_test).mean()
    scatter = X_test.var(axis=0, ddof=1).mean()
    return {
        "live_units": int((np.ptp(codes, axis=0) > 0).sum()),
        "spread": float(reconstructions.std(axis=0).mean() / X_test.std(axis=0).mean()),
        "explained_variance": float(1 - squared_error / scatter),
        "error": float(squared_error),
        "correlation": correlation(reconstructions, clean),
        "accuracy": float(classifier.score(X_test, y_test)),
    }


def run_one(sparsity, protocol, snr, seed, n_train=380, data=None, **params):
    """Return the row of a fit; `params` override those of the classifier."""
    X, clean, y = simulate(snr, seed) if data is None else data
    train, test, given = split(y, seed, n_train)
    settings = {"batch_size": 32, **PROTOCOLS[protocol], "random_state": seed, **params}
    reconstruction = Reconstruction(sparsity=sparsity)
    classifier = AutoencodingClassifier(
        training=JointTraining(reconstruction=reconstruction), **settings
    )
    start = time.perf_counter()
    classifier.fit(X[train], given)
    seconds = time.perf_counter() - start
    found = {
        **figures(classifier, X[test], y[test], clean[test]),
        **rivals(X[train], X[test], clean[test]),
    }
    return {
        **dict(zip(KEYS, (sparsity, protocol, snr, seed), strict=True)),
        "learning_rate": settings["learning_rate"],
        "epochs": classifier.n_iter_,
        **{n: round(v, 4) if isinstance(v, float) else v for n, v in found.items()},
        "seconds": round(seconds, 1),
        **environment(),
    }


def render(path):
    """Write a table with a line for every fit, and return it."""
    columns = {
        "sparsity": "sparsity",
        "protocol": "learning rate",
        "snr": "SNR",
        "seed": "seed",
        "epochs": "epochs",
        "live_units": "live units",
        "spread": "spread",
        "explained_variance": "explained variance",
        "error": "error",
        "error_pca32": "error of PCA",
        "correlation": "correlation",
        "correlation_low_pass": "of low-passed input",
        "accuracy": "accuracy",
        "seconds": "seconds",
    }
    rows = sorted(read_rows(path), key=lambda row: [row[name] for name in KEYS])
    rows = [{**row, "protocol": row["learning_rate"]} for row in rows]
    title = (
        f"Rendered by `python benchmarks/live_code.py` from `{path.name}`. Figures of 100 held-out "
        "volumes: units of 128 that differ between them; standard deviation of reconstructions "
        "over that of the volumes; mean squared error beside that of a PCA of 32 components; "
        "correlation with the clean volumes beside that of the input low-passed at the best cutoff."
    )
    table = [[row[name] for name in columns] for row in rows]
    return write_markdown(path, [title, "", *markdown_table(columns.values(), table)])


def _sparsity(text):
    return text if text == "relative" else float(text)


@ends_in_order
def main(arguments=None):
    parser = make_parser(__doc__, "live_code", seeds=[0, 1, 2])
    parser.add_argument("--snrs", nargs="+", type=float, default=[0.5, 0.1])
    parser.add_argument("--protocols", nargs="+", choices=PROTOCOLS, default=["fast"])
    help_ = '"relative", the default, or weights of the L1 norm of the code'
    parser.add_argument("--sparsity", nargs="+", type=_sparsity, default=["relative"], help=help_)
    options = parser.parse_args(arguments)
    wanted = product(options.sparsity, options.protocols, options.seeds, options.snrs)
    keys = [(sparsity, protocol, snr, seed) for sparsity, protocol, seed, snr in wanted]
    for key in keys_to_do(options.results, KEYS, keys):
        append_rows(options.results, [run_one(*key)], KEYS)
        print(*key, flush=True)
    print(render(options.results))


if __name__ == "__main__":
    main()
