"""Candidates of tomograms whose scores are not on one scale: judged as they are, and by tomogram.

    python benchmarks/cleaning/scales.py

Tomograms, pickers and candidates are those of ``run.py``, "unlike". Each seed learns from two
tomograms, by 50 labels drawn at random among the candidates of both, and ranks those of two others
together. Scores are on one scale, as they are picked ("one"); or on another one in each tomogram
("several"): times exp(0.3 u), plus v standard deviations, u and v independent and standard normal,
as tomograms of different thickness or other settings of a picker may have them. Or they are
on one scale, but shares of particles differ ("shares"): in one tomogram of each pair, seven in ten
of the particles are left out; in the other one, seven in ten of the false positives.

Judged as they are, or with ``tomograms=``, relative to the medians of columns and figures in each
tomogram ("yes"). ``fit_warned`` and ``predict_warned``: whether ``sksubtomo fit`` warns that labels
are predicted better so, and ``predict`` that scores of a tomogram are not as in the fit.

One row for each (source, scales, method, by_tomogram, seed) goes to the CSV file; rows that are
there are not computed again. Nothing was chosen on these tomograms but what ``run.py`` says; what
``fit`` and ``predict`` warn by was chosen on other ones of the same complexes and random numbers.
"""

import sys
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

sys.path.append(str(Path(__file__).resolve().parents[1]))

from _arguments import make_parser
from _candidates import SOURCES
from _fits import METHODS, OTHER, PARTICLE, TITLES, UNLABELED, add_cache, made
from _ranking import precision_at
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

from sksubtomo.cli._by_tomogram import check_one_scale
from sksubtomo.cli._column_ranges import check_ranges, column_ranges
from sksubtomo.cli._sanity import Sanity
from sksubtomo.metrics import expected_calibration_error
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import CandidateClassifier

KEY = ("source", "scales", "method", "by_tomogram", "seed")
SCALES = ("one", "several", "shares")
N_LABELS, N_TOMOGRAMS = 50, 6
LEFT_OUT = 0.7
FIGURES = {
    "average_precision": "average precision",
    "precision_at_0.90": "precision at recall 0.9",
    "ece": "calibration error",
}
WARNED = {"fit_warned": "fit warned", "predict_warned": "predict warned"}


def on_scale(candidates, scales, part, rng):
    """Return candidates of the first tomogram of a pair (part 0), or the second, on a scale."""
    if scales == "several":
        gain, offset = np.exp(0.3 * rng.normal()), rng.normal()
        scores = gain * candidates.scores + offset * candidates.scores.std()
        return candidates._replace(scores=scores)
    if scales == "shares":
        rows = rng.permutation(np.flatnonzero(candidates.is_true == (part == 0)))
        kept = np.ones(len(candidates.X), dtype=bool)
        kept[rows[: int(LEFT_OUT * len(rows))]] = False
        return candidates._replace(
            X=candidates.X[kept], is_true=candidates.is_true[kept], scores=candidates.scores[kept]
        )
    return candidates


class Pair(NamedTuple):
    """Candidates of two tomograms one after the other, and the number of the tomogram of each."""

    X: np.ndarray
    is_true: np.ndarray
    scores: np.ndarray
    tomograms: np.ndarray


def pair_of(source, scales, first, rng, cache):
    """Return candidates of a tomogram and the next one."""
    parts = [
        on_scale(made("unlike", source, first + part, cache), scales, part, rng) for part in (0, 1)
    ]
    names = [np.full(len(part.X), first + number) for number, part in enumerate(parts)]
    return Pair(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in Pair._fields[:3]),
        np.concatenate(names),
    )


def run_one(source, scales, method, by_tomogram, seed, cache=None):
    """Fit to candidates of two tomograms, rank those of two others; return a row."""
    rng = np.random.default_rng(seed)
    learn = pair_of(source, scales, 2 * seed, rng, cache)
    test = pair_of(source, scales, (2 * seed + 2) % N_TOMOGRAMS, rng, cache)
    y = np.full(len(learn.X), UNLABELED)
    chosen = rng.permutation(len(y))[:N_LABELS]
    y[chosen] = np.where(learn.is_true[chosen], PARTICLE, OTHER)
    given, given_test = (
        {"tomograms": one.tomograms} if by_tomogram == "yes" else {} for one in (learn, test)
    )
    normalizer = VolumeNormalizer()
    classifier = CandidateClassifier(random_state=seed, **METHODS[method][1])
    classifier.fit(normalizer.fit_transform(learn.X), y, covariates=learn.scores, **given)
    proba = classifier.predict_proba(
        normalizer.transform(test.X), covariates=test.scores, **given_test
    )
    own = proba[:, PARTICLE]
    fitted, predicted = Sanity(strict=False), Sanity(strict=False)
    columns, names = pd.DataFrame({"score": learn.scores}), learn.tomograms.astype(str)
    if by_tomogram == "no":
        check_one_scale(fitted, columns, names, y, None)
    ranges = column_ranges(columns, names, y, relative=by_tomogram == "yes")
    new = pd.DataFrame({"score": test.scores})
    check_ranges(predicted, ranges, new, test.tomograms.astype(str))
    return {
        **dict(zip(KEY, (source, scales, method, by_tomogram, seed), strict=True)),
        "n_particles_labeled": int((y == PARTICLE).sum()),
        "n_candidates": len(own),
        "share_true": round(float(test.is_true.mean()), 4),
        "average_precision": round(float(average_precision_score(test.is_true, own)), 4),
        "precision_at_0.90": round(precision_at(test.is_true, own, 0.9), 4),
        "ece": round(float(expected_calibration_error(test.is_true.astype(int), proba)), 4),
        "fit_warned": int(bool(fitted.found)) if by_tomogram == "no" else "",
        "predict_warned": int(bool(predicted.found)),
        **environment(),
    }


def n_of(values):
    """Return how many of the values are 1, ``-`` where there are none."""
    known = [int(value) for value in values if value != ""]
    return f"{sum(known)} of {len(known)}" if known else "-"


def render(path):
    """Write the table beside the CSV file and return it."""
    rows = read_rows(path)
    table = []
    for scales, source, method, by_tomogram in product(SCALES, SOURCES, METHODS, ("no", "yes")):
        group = (scales, source, method, by_tomogram)
        own = [r for r in rows if tuple(r[n] for n in (KEY[1], KEY[0], *KEY[2:4])) == group]
        if own:
            figures = [mean_and_spread([r[name] for r in own]) for name in FIGURES]
            figures += [n_of([r[name] for r in own]) for name in WARNED]
            table.append((scales, TITLES[source], method, by_tomogram, *figures))
    lines = [
        f"Rendered by `python benchmarks/cleaning/scales.py` from `{path.name}`: mean ± standard",
        "deviation over the seeds, of candidates of two held-out tomograms.",
        "",
        *markdown_table(
            ("scales", "source", "method", "by tomogram", *FIGURES.values(), *WARNED.values()),
            table,
        ),
    ]
    return write_markdown(path, lines)


@ends_in_order
def main():
    parser = make_parser(__doc__, "cleaning_scales", seeds=[0, 1, 2])
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=list(SOURCES))
    parser.add_argument("--scales", nargs="+", choices=SCALES, default=list(SCALES))
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=["score", "score, figures"]
    )
    add_cache(parser)
    options = parser.parse_args()
    wanted = [
        (source, scales, method, by_tomogram, seed)
        for source, seed, scales, method, by_tomogram in product(
            options.sources, options.seeds, options.scales, options.methods, ("no", "yes")
        )
    ]
    for key in keys_to_do(options.results, KEY, wanted):
        row = run_one(*key, options.cache)
        append_rows(options.results, [row], KEY)
        print(*key, row["average_precision"], row["precision_at_0.90"], flush=True)
    print(render(options.results))


if __name__ == "__main__":
    main()
