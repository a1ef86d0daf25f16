"""How many clicks candidates take to be cleaned, by the recommended queue and in random order.

    python benchmarks/labeling.py

Candidates are those of ``clean_candidates.py``, "alike": the best matches of a template, three
times as many as there are particles, among complexes that look alike. A simulated expert labels
candidates of one tomogram, two at a time after the first six, and clicks wrong in 2 % of the cases.
After each two, a :class:`sksubtomo.labeling.LabelingSession` with its default model is fitted, and
ranks the candidates of the other tomogram. *Clicks* is the first number of clicks at which the
precision at a recall of 0.9 there is 0.9 or more, and still is after the next two; the threshold is
swept on the held-out tomogram, so this is a point of a curve. Each seed has two tomograms of its
own and five experts, who differ in what they are shown at random and where they err.

The penalty of the model was chosen on seed 100 (tomograms 200 and 201), and the recommended queue
among "informative", "uncertain" and "disagreement" there, too; neither is reported. One row goes to
the CSV file for each (seed, expert, queue, number of clicks).
"""

import tempfile
from itertools import product
from pathlib import Path

import matplotlib
import numpy as np
from _arguments import make_parser
from _results import (
    append_rows,
    ends_in_order,
    environment,
    markdown_table,
    mean_and_spread,
    missing_keys,
    read_rows,
    write_markdown,
)
from clean_candidates import load
from sklearn.metrics import precision_recall_curve

from sksubtomo.io import make_particle_table
from sksubtomo.labeling import LabelingSession

DATA = "alike"
QUEUES = ("informative", "random")
N_EXPERTS = 5
FIRST, STEP, MOST = 6, 2, 90
ERROR_RATE = 0.02
RECALL = PRECISION = 0.9
PARTICLE, FALSE = 1, 2
LEARN, HELD_OUT = "learn", "held out"
FIGURE = Path(__file__).resolve().parents[1] / "docs/images/labeling_clicks.png"


def precision_at_recall(scores, is_true, recall=RECALL):
    """Return the best precision that a threshold has which keeps so many of the true ones."""
    precision, found, _ = precision_recall_curve(is_true, scores)
    return float(precision[found >= recall - 1e-9].max())


def first_reached(n_clicks, precisions, wanted=PRECISION):
    """Return the first number of clicks at which and at the next of which there is as much."""
    reached = np.asarray(precisions) >= wanted
    both = np.flatnonzero(reached[:-1] & reached[1:])
    return int(n_clicks[both[0]]) if len(both) else None


def run_one(seed, expert, queue):
    """Let an expert label, and return a row for every fit."""
    learn, test = load(DATA, seed)
    X = np.concatenate([learn.X, test.X])
    is_true = np.concatenate([learn.is_true, test.is_true])
    names = np.repeat([LEARN, HELD_OUT], [len(learn.X), len(test.X)])
    # Candidates are told apart by their place; where it is plays no part here.
    places = np.arange(3 * len(X), dtype=float).reshape(-1, 3)
    rng = np.random.default_rng([seed, expert])
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        session = LabelingSession(
            folder,
            make_particle_table(places, tomogram_names=names),
            X,
            random_state=int(rng.integers(2**31)),
        )
        n_clicks = 0
        while n_clicks < min(MOST, len(learn.X) - STEP):
            shown = session.query(FIRST if n_clicks == 0 else STEP, queue, tomogram=LEARN)
            wrong = rng.random(len(shown)) < ERROR_RATE
            session.label_many(shown, np.where(is_true[shown] ^ wrong, PARTICLE, FALSE))
            n_clicks += len(shown)
            precision = 0.0
            if all(session.counts.values()):
                ranked = session.fit().scores.probabilities[names == HELD_OUT, PARTICLE - 1]
                precision = precision_at_recall(ranked, test.is_true)
            rows.append(
                {
                    "seed": seed,
                    "expert": expert,
                    "queue": queue,
                    "n_clicks": n_clicks,
                    "n_candidates": len(learn.X),
                    "precision_at_recall": round(precision, 4),
                    **environment(),
                }
            )
    return rows


def clicks_needed(rows):
    """Return the clicks needed by queue, seed and expert; None where all were too few."""
    found = {}
    for key in dict.fromkeys((row["queue"], row["seed"], row["expert"]) for row in rows):
        own = [row for row in rows if (row["queue"], row["seed"], row["expert"]) == key]
        counts = [int(row["n_clicks"]) for row in own]
        found[key] = first_reached(counts, [float(row["precision_at_recall"]) for row in own])
    return found


def render(path):
    """Write the table and the figure, and return the table."""
    rows = read_rows(path)
    needed = clicks_needed(rows)
    seeds = sorted({row["seed"] for row in rows}, key=int)
    table, means = [], {}
    for queue in QUEUES:
        cells = []
        for seed in seeds:
            own = [n for (which, of, _), n in needed.items() if (which, of) == (queue, seed)]
            # Where the goal was not reached, it would have taken more than all that were tried.
            means[queue, seed] = float(np.mean([MOST if n is None else n for n in own]))
            n_missed = sum(n is None for n in own)
            cells.append(f"{means[queue, seed]:.1f}" + (f" ({n_missed} not)" if n_missed else ""))
        of_queue = [means[queue, seed] for seed in seeds]
        table.append((queue, *cells, mean_and_spread(of_queue)))
    recommended, random = (np.array([means[queue, seed] for seed in seeds]) for queue in QUEUES)
    lines = [
        f"Rendered by `python benchmarks/labeling.py` from `{path.name}`: clicks to a precision of",
        f"{PRECISION} at a recall of {RECALL} on a tomogram without labels, the mean of",
        f"{N_EXPERTS} experts for each seed; the last column is mean ± standard deviation over the",
        f"seeds. Where an expert did not get there by {MOST} clicks (*not*), {MOST} are counted.",
        "",
        *markdown_table(("queue", *(f"seed {seed}" for seed in seeds), "all"), table),
        "",
        f"Recommended to random: {recommended.mean() / random.mean():.2f} of the clicks (by seed: "
        f"{', '.join(f'{ratio:.2f}' for ratio in recommended / random)}).",
    ]
    draw(rows)
    return write_markdown(path, lines)


def draw(rows):
    """Draw the precision by the number of clicks."""
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    for queue, color, line in zip(QUEUES, ("#0072b2", "#b34700"), ("-", "--"), strict=True):
        own = [row for row in rows if row["queue"] == queue]
        counts = sorted({int(row["n_clicks"]) for row in own})
        by_count = [
            [float(row["precision_at_recall"]) for row in own if int(row["n_clicks"]) == count]
            for count in counts
        ]
        low, middle, high = np.transpose([np.percentile(one, [25, 50, 75]) for one in by_count])
        axes.plot(counts, middle, line, color=color, label=queue)
        axes.fill_between(counts, low, high, color=color, alpha=0.2, linewidth=0)
    axes.axhline(PRECISION, color="0.4", linewidth=0.8, linestyle=":")
    axes.set(xlabel="clicks", ylabel=f"precision at recall {RECALL}", ylim=(None, 1.0))
    axes.legend(title="queue (median, quartiles)", loc="lower right")
    figure.savefig(FIGURE, dpi=130)
    plt.close(figure)


@ends_in_order
def main():
    parser = make_parser(__doc__, "labeling", seeds=[0, 1, 2, 3, 4])
    options = parser.parse_args()
    wanted = list(product(options.seeds, range(N_EXPERTS), QUEUES))
    for key in missing_keys(options.results, ("seed", "expert", "queue"), wanted):
        append_rows(options.results, run_one(*key))
        print(*key, flush=True)
    print(render(options.results))


if __name__ == "__main__":
    main()
