"""Six species among the candidates of a picker that knows none of them, by few labels.

    python benchmarks/cleaning/species.py                               # all rows
    python benchmarks/cleaning/species.py --kinds random --labels 50 --seeds 0

Each seed simulates two tomograms as large as those of the CZII challenge (Peck et al., "A realistic
phantom dataset for benchmarking cryo-ET data annotation", bioRxiv 2024), which is part of POPSICLE
(arXiv:2606.10255), in voxels of 13 angstrom: its six species, as many of each as its training
tomogram TS_5_4 has (46 apo-ferritin, 10 beta-amylase, 12 beta-galactosidase, 31 ribosomes, 30
thyroglobulin, 11 virus-like particles), among gold, vesicles, a membrane and lumps of ice. The
particles are phantoms of the published size, mass and symmetry, and no atomic structures; figures
do not compare with those of the challenge.

Candidates are the best 250 blobs of differences of Gaussians of three diameters. A candidate within
half the radius of a particle is labeled with its species, one to one, all others with "none of
them". Those of the one tomogram are labeled and learned from, those of the other one are judged.

Labels: 50 or 200 candidates drawn at random ("random"), of which rare species may have none; or 5
or 20 of every species, or as many as there are, and as many of none as of all species together
("each"). Methods: the responses of the picker at its three diameters, calibrated by the same labels
("score"); with image statistics of the boxes ("figures"); and with references, the default.

Figures of the candidates of the held-out tomogram: average precision and precision at recall 0.9 of
each species, and means over the five species that the challenge scores; balanced accuracy and
calibration error of all seven classes; and the challenge's score, the weighted mean of F4 of the
most probable class of each candidate, beside what right labels of all candidates would have. A
species without a label has probability 0 everywhere.

The noise and the picker's diameters were chosen on the seeds 100, 200 and 201 of tomograms. One row
for each (kind, n_labels, method, seed) goes to the CSV file, one for each species to a second file;
rows that are there are not computed again. Candidates of seed 0 and 200 random labels go to a third
one, from which the picture is drawn. Seconds are CPU seconds of the fit.
"""

import sys
import time
from functools import lru_cache
from itertools import product
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt

sys.path.append(str(Path(__file__).resolve().parents[1]))

from _arguments import make_parser
from _fits import METHODS, precision_at
from _results import (
    append_rows,
    ends_in_order,
    environment,
    keys_to_do,
    markdown_table,
    mean_and_spread,
    read_rows,
    write_markdown,
)
from _species import (
    NONE,
    NUMBERS,
    SPECIES,
    UNLABELED,
    challenge_scores,
    label_species,
    make_species_candidates,
    with_all_species,
)
from joblib import Memory
from sklearn.metrics import average_precision_score, balanced_accuracy_score

from sksubtomo.metrics import expected_calibration_error
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import CandidateClassifier

KEY = ("kind", "n_labels", "method", "seed")
LABELS = {"random": (50, 200), "each": (5, 20)}
COMPARED = [name for name, (with_score, _) in METHODS.items() if with_score]
SCORED = np.array([one.weight > 0 for one in SPECIES.values()])
FIGURES = {
    "average_precision": "mean average precision",
    "precision_at_0.90": "mean precision at recall 0.9",
    "balanced_accuracy": "balanced accuracy",
    "ece": "calibration error",
    "f4": "F4",
    "f4_limit": "F4 of right labels",
}
OF_SPECIES = {
    "average_precision": "average precision",
    "precision_at_0.90": "precision at recall 0.9",
    "f4": "F4",
}


@lru_cache(maxsize=1)
def load(seed, cache=None):
    """Return candidates to learn from and those held out, normalized."""
    make = Memory(cache, verbose=0).cache(make_species_candidates)
    learn, test = (make(2 * seed + part) for part in (0, 1))
    normalizer = VolumeNormalizer()
    return (
        learn._replace(X=normalizer.fit_transform(learn.X)),
        test._replace(X=normalizer.transform(test.X)),
    )


def judge(test, proba):
    """Return figures of all candidates, and those of each species."""
    chosen = proba.argmax(axis=1)
    f4, mean_f4 = challenge_scores(chosen, [test])
    limits, limit = challenge_scores(test.species, [test])
    is_species = [test.species == number for number in NUMBERS]
    # A species that the picker never finds has no average precision.
    precisions = [
        average_precision_score(own, proba[:, number]) if own.any() else np.nan
        for number, own in zip(NUMBERS, is_species, strict=True)
    ]
    at_recall = [
        precision_at(own, proba[:, number], 0.9) if own.any() else np.nan
        for number, own in zip(NUMBERS, is_species, strict=True)
    ]
    classes = [NONE, *NUMBERS]
    figures = {
        "average_precision": np.mean(np.array(precisions)[SCORED]),
        "precision_at_0.90": np.mean(np.array(at_recall)[SCORED]),
        "balanced_accuracy": balanced_accuracy_score(test.species, chosen),
        "ece": expected_calibration_error(test.species, proba, labels=classes),
        "f4": mean_f4,
        "f4_limit": limit,
    }
    of_species = [
        {
            "species": name,
            "n_candidates": int(own.sum()),
            "n_particles": int((test.truth == number).sum()),
            "average_precision": f"{precision:.4f}",
            "precision_at_0.90": f"{at:.4f}",
            "f4": f"{own_f4:.4f}",
            "f4_limit": f"{own_limit:.4f}",
        }
        for name, number, own, precision, at, own_f4, own_limit in zip(
            SPECIES, NUMBERS, is_species, precisions, at_recall, f4, limits, strict=True
        )
    ]
    return {name: f"{value:.4f}" for name, value in figures.items()}, of_species


def run_one(kind, n_labels, method, seed, cache=None):
    """Fit, judge the held-out candidates; return a row, rows of the species and of candidates."""
    learn, test = load(seed, cache)
    y = label_species(learn, kind, n_labels, seed)
    counts = np.bincount(y[y != UNLABELED], minlength=1 + len(SPECIES))
    start = time.process_time()
    classifier = CandidateClassifier(background=NONE, random_state=seed, **METHODS[method][1])
    classifier.fit(learn.X, y, covariates=learn.scores)
    seconds = time.process_time() - start
    proba = classifier.predict_proba(test.X, covariates=test.scores)
    proba = with_all_species(proba, classifier.classes_)
    figures, of_species = judge(test, proba)
    key = dict(zip(KEY, (kind, n_labels, method, seed), strict=True))
    row = {
        **key,
        "n_labeled": int(counts.sum()),
        "n_species_labeled": int((counts[1:] > 0).sum()),
        "with_references": int(bool(classifier.fold_references_)),
        "n_candidates": len(test.species),
        "share_true": f"{(test.species != NONE).mean():.4f}",
        **figures,
        "cpu_seconds": f"{seconds:.1f}",
        **environment(),
    }
    for number, one in zip(NUMBERS, of_species, strict=True):
        one["n_labels_of_it"] = int(counts[number])
    places = [
        {"method": method, **dict(zip("zyx", place, strict=True)), "species": true, "said": said}
        for place, true, said in zip(
            test.places.astype(int), test.species, proba.argmax(axis=1), strict=True
        )
    ]
    return row, [{**key, **one} for one in of_species], places


def render(path):
    """Write the tables beside the CSV file and return them."""
    rows, of_species = read_rows(path), read_rows(path_of_species(path))
    lines = [
        f"Rendered by `python benchmarks/cleaning/species.py` from `{path.name}` and",
        f"`{path_of_species(path).name}`: mean ± standard deviation over the seeds, of candidates",
        "of a held-out tomogram. Labels: drawn at random (*random*), or so many of *each* species.",
        "*Species*: how many of the six had a label. Means are over the five that the challenge",
        "scores; *F4* is its weighted mean. Particles are phantoms and no structures.",
        "",
    ]
    header = ("labels", "method", "runs", "species", *FIGURES.values(), "CPU s")
    names = ("n_species_labeled", *FIGURES, "cpu_seconds")
    lines += markdown_table(header, [(*g, len(r), *means(r, names)) for g, r in groups(rows)])
    for name, title in OF_SPECIES.items():
        lines += ["", f"## Each species: {title}", ""]
        table = []
        for group, own in groups(of_species):
            parts = [[row for row in own if row["species"] == one] for one in SPECIES]
            table.append((*group, *(mean_and_spread(r[name] for r in part) for part in parts)))
        lines += markdown_table(("labels", "method", *SPECIES), table)
    return write_markdown(path, lines)


def groups(rows):
    """Return rows by labels and method, in the order of the tables."""
    for kind, method in product(LABELS, COMPARED):
        for n_labels in LABELS[kind]:
            own = [r for r in rows if (r["kind"], r["method"]) == (kind, method)]
            own = [r for r in own if int(r["n_labels"]) == n_labels]
            if own:
                yield (f"{n_labels} {kind}", method), own


def means(rows, names):
    return [mean_and_spread(row[name] for row in rows) for name in names]


def path_of_species(path):
    return path.with_name(f"{path.stem}_each.csv")


def path_of_places(path):
    return path.with_name(f"{path.stem}_places.csv")


def draw(path):
    """Draw what candidates are and what the default says, and average precision by species."""
    places = [r for r in read_rows(path_of_places(path)) if r["method"] == COMPARED[-1]]
    of_species = read_rows(path_of_species(path))
    if not places or not of_species:
        return
    figure, axes = plt.subplots(1, 4, figsize=(15, 3.9), layout="constrained")
    for ax, column, title in zip(axes, ("species", "said"), ("true", "predicted"), strict=False):
        for number, name in enumerate(("none of them", *SPECIES)):
            own = [row for row in places if int(row[column]) == number]
            # As large as the particles, more or less; what is none is a dot.
            size = 6.0 if number == NONE else (list(SPECIES.values())[number - 1].radius / 8) ** 2
            ax.scatter(
                [float(row["x"]) for row in own],
                [float(row["y"]) for row in own],
                s=size,
                marker="." if number == NONE else "o",
                facecolors="0.6" if number == NONE else "none",
                edgecolors="0.6" if number == NONE else f"C{number - 1}",
                label=name,
            )
        ax.set(title=f"{title}, seen along the beam", aspect="equal", xticks=[], yticks=[])
    axes[0].legend(fontsize="x-small", loc="upper left", bbox_to_anchor=(-0.62, 1.0))
    for ax, (kind, n_labels) in zip(axes[2:], (("random", 50), ("random", 200)), strict=True):
        draw_bars(
            ax, [r for r in of_species if (r["kind"], r["n_labels"]) == (kind, str(n_labels))]
        )
        ax.set_title(f"{n_labels} random labels")
    axes[2].set_ylabel("average precision")
    axes[2].legend(fontsize="x-small", loc="lower right")
    figure.savefig(path.with_suffix(".png"), dpi=100)
    plt.close(figure)


def draw_bars(ax, rows):
    """Draw average precision of each species by method, with the spread over the seeds."""
    for index, method in enumerate(COMPARED):
        values = [
            [float(r["average_precision"]) for r in rows if (r["method"], r["species"]) == pair]
            for pair in product([method], SPECIES)
        ]
        ax.bar(
            np.arange(len(SPECIES)) + 0.27 * (index - 1),
            [np.nanmean(v) if v else np.nan for v in values],
            0.25,
            yerr=[np.nanstd(v) if v else np.nan for v in values],
            label=method,
            color=f"C{list(METHODS).index(method)}",
            error_kw={"linewidth": 0.8},
        )
    ax.set_xticks(range(len(SPECIES)), SPECIES, rotation=30, ha="right", fontsize="x-small")
    ax.set_ylim(0, 1.05)


@ends_in_order
def main():
    parser = make_parser(__doc__, "species", seeds=[0, 1, 2])
    parser.add_argument("--kinds", nargs="+", choices=LABELS, default=list(LABELS))
    parser.add_argument("--labels", type=int, nargs="+", help="default: all of the kinds")
    parser.add_argument("--methods", nargs="+", choices=COMPARED, default=COMPARED)
    help_ = "folder where candidates are kept for other runs; empty it when the simulation changes"
    parser.add_argument("--cache", type=Path, help=help_)
    options = parser.parse_args()
    wanted = [
        (kind, n_labels, method, seed)
        for kind, seed, method in product(options.kinds, options.seeds, options.methods)
        for n_labels in LABELS[kind]
        if options.labels is None or n_labels in options.labels
    ]
    for key in keys_to_do(options.results, KEY, wanted):
        row, of_species, places = run_one(*key, options.cache)
        # First, so that a row stands for all that belongs to it.
        append_rows(path_of_species(options.results), of_species, (*KEY, "species"))
        if (row["kind"], row["n_labels"], row["seed"]) == ("random", 200, 0):
            append_rows(path_of_places(options.results), places, ("method", "z", "y", "x"))
        append_rows(options.results, [row], KEY)
        print(*key, row["average_precision"], row["f4"], flush=True)
    print(render(options.results))
    draw(options.results)


if __name__ == "__main__":
    main()
