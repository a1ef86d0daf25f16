"""What `sksubtomo fit` and `predict` reach with their defaults on simulated tomograms.

    python benchmarks/command_line.py
    python benchmarks/command_line.py --tasks species --labels few --methods default --seeds 0

Each seed simulates a tomogram to learn from and one that is held out. In the task "species", the
candidates are the particles of four complexes, a voxel or so off, and the class is the complex; in
"cleaning", as many particles of one complex, and three times as many candidates that are none:
other complexes and places without a particle. Labels are either fifty random ones ("random") or two
of each class ("few"). `fit` learns from the candidates of the first tomogram, all of which are
there without labels, `predict` classifies those of the second, and `evaluate` compares with the
truth: precision and recall, of the particle in "cleaning", means over the complexes in "species".

"default" is `fit` without `--method`; the others tell what could have been had. One row goes to the
CSV file for each (task, labels, method, seed); rows that are there are not computed again.
"""

import json
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import numpy as np
from _arguments import make_parser
from _results import (
    append_rows,
    ends_in_order,
    environment,
    keys_to_do,
    markdown_table,
    mean_and_spread,
    missing_keys,
    read_rows,
    write_markdown,
)

from sksubtomo.io import make_particle_table, read_particles, write_particles
from sksubtomo.model_selection import mask_labels

COMPLEXES = ("groel", "glutamine_synthetase", "proteasome_20s", "ribosome_70s")
TARGET = "proteasome_20s"
BOX, VOXEL, SNR = 28, 13.0, 0.1
SHAPE = (64, 320, 320)
N_PARTICLES = 160
TOLERANCE = 50.0
OFF = 0.7  # standard deviation of what a picker is off, in voxels along each axis
N_RANDOM, N_FEW = 50, 2
TASKS = ("species", "cleaning")
LABELS = ("random", "few")
METHODS = ("default", "references", "supervised", "joint")
KEY = ("task", "labels", "method", "seed")
RUN = [sys.executable, "-c", "import sys; from sksubtomo.cli import main; sys.exit(main())"]


def run(command, **options):
    """Run a command of sksubtomo; ``box_size=28`` becomes ``--box-size 28``, True no value."""
    words = [command]
    for name, value in options.items():
        values = [] if value is True else value if isinstance(value, (list, tuple)) else [value]
        words += [f"--{name.replace('_', '-')}", *(str(value) for value in values)]
    done = subprocess.run([*RUN, *words], capture_output=True, text=True, check=False)
    # 3 is the exit code of a command that left some particles out.
    if done.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stderr}")
    return done.stderr


def empty_places(taken, n, rng):
    """Return as many places with the box inside and no particle of `taken` within its radius."""
    margin = BOX // 2
    places = np.empty((0, 3))
    while len(places) < n:
        place = rng.uniform(margin, np.array(SHAPE) - margin)
        others = np.concatenate([taken, places])
        if np.linalg.norm(others - place, axis=1).min() > BOX / 3:
            places = np.concatenate([places, place[np.newaxis]])
    return places


def candidates_of(task, places, complexes, rng):
    """Return the places of candidates and their classes, from 1.

    Parameters
    ----------
    task : {"species", "cleaning"}
    places : ndarray of shape (n, 3)
        Where particles are, in voxels, z, y, x.
    complexes : ndarray of shape (n,)
        Index into ``COMPLEXES``.
    rng : Generator
    """
    if task == "species":
        classes = complexes + 1
    else:
        is_target = complexes == COMPLEXES.index(TARGET)
        n_others = 3 * is_target.sum()
        others = rng.permutation(np.flatnonzero(~is_target))[: n_others // 2]
        nothing = empty_places(places, n_others - len(others), rng)
        classes = np.repeat([1, 2], [is_target.sum(), n_others])
        places = np.concatenate([places[is_target], places[others], nothing])
    return places + rng.normal(scale=OFF, size=places.shape), classes


def choose_labels(labels, classes, seed):
    """Return the classes of candidates that are labeled, -1 elsewhere."""
    if labels == "few":
        return mask_labels(classes, n_per_class=N_FEW, random_state=seed)
    chosen = np.random.default_rng(seed).permutation(len(classes))[:N_RANDOM]
    kept = np.full(len(classes), -1)
    kept[chosen] = classes[chosen]
    return kept


def make_tables(folder, task, seed):
    """Simulate both tomograms and write the candidates of each; return the classes of the first."""
    run(
        "simulate",
        classes=COMPLEXES,
        n_tomograms=2,
        n_particles=N_PARTICLES,
        shape=SHAPE,
        voxel_size=VOXEL,
        box_size=BOX,
        snr=SNR,
        random_state=seed,
        output=folder / "simulated",
    )
    particles = read_particles(folder / "simulated/particles.star")
    rng = np.random.default_rng(seed)
    of_first = None
    for name, table in (("TS_001", "learn"), ("TS_002", "test")):
        rows = np.flatnonzero(particles.tomogram_names == name)
        places, classes = candidates_of(
            task, particles.coordinates[rows], particles.class_numbers[rows] - 1, rng
        )
        made = make_particle_table(places, tomogram_names=[name] * len(places))
        write_particles(folder / f"{table}.star", made)
        write_particles(folder / f"{table}_truth.star", made, class_numbers=classes)
        of_first = classes if of_first is None else of_first
    return of_first


def scores_of(path, task):
    """Return precision and recall that `evaluate` has written: of class 1, or means."""
    by_class = json.loads(path.read_text())
    chosen = ["1"] if task == "cleaning" else list(by_class)
    return tuple(
        float(np.mean([by_class[name][figure] for name in chosen]))
        for figure in ("precision", "recall")
    )


def run_one(folder, task, labels, method, seed, classes):
    """Label, fit, predict, evaluate and return a row."""
    y = choose_labels(labels, classes, seed)
    learn = read_particles(folder / "learn.star")
    chosen = np.flatnonzero(y > 0)
    write_particles(folder / "labels.star", learn.subset(chosen), class_numbers=y[chosen])
    tomograms = [folder / f"simulated/{name}/{name}.mrc" for name in ("TS_001", "TS_002")]
    start = time.perf_counter()
    said = run(
        "fit",
        particles=folder / "learn.star",
        labels=folder / "labels.star",
        tomograms=tomograms[0],
        box_size=BOX,
        random_state=seed,
        output=folder / "model.sksubtomo",
        **({"no_averages": True} if method in ("default", "references") else {}),
        **({} if method == "default" else {"method": method}),
    )
    fitted = time.perf_counter()
    said += run(
        "predict",
        model=folder / "model.sksubtomo",
        particles=folder / "test.star",
        tomograms=tomograms[1],
        output=folder / "classified.star",
        **({"no_averages": True} if method in ("default", "references") else {}),
        **({"keep": 1} if task == "cleaning" else {}),
    )
    predicted = time.perf_counter()
    run(
        "evaluate",
        truth=folder / "test_truth.star",
        predicted=folder / "classified.star",
        tolerance_angstrom=TOLERANCE,
        voxel_size=VOXEL,
        output=folder / "scores.json",
    )
    precision, recall = scores_of(folder / "scores.json", task)
    for name in ("model.sksubtomo", "classified.star", "scores.json", "labels.star"):
        (folder / name).unlink()
    return {
        **dict(zip(KEY, (task, labels, method, seed), strict=True)),
        "n_labels": len(chosen),
        "n_candidates": len(y),
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "n_warnings": said.lower().count("warning"),
        "seconds_fit": round(fitted - start, 1),
        "seconds_predict": round(predicted - fitted, 1),
        **environment(),
    }


def render(path):
    """Write the table beside the CSV file and return it."""
    rows = read_rows(path)
    table = []
    for task, labels, method in product(TASKS, LABELS, METHODS):
        of_case = [
            row
            for row in rows
            if (row["task"], row["labels"], row["method"]) == (task, labels, method)
        ]
        if of_case:
            figures = ("precision", "recall", "n_warnings", "seconds_fit", "seconds_predict")
            cells = [mean_and_spread(row[name] for row in of_case) for name in figures]
            table.append((task, labels, method, len(of_case), *cells))
    header = ("task", "labels", "method", "seeds", "precision", "recall", "warnings")
    lines = [
        f"Rendered by `python benchmarks/command_line.py` from `{path.name}`: mean ± standard",
        "deviation over the seeds, on a tomogram that was held out, of `fit` and `predict` with",
        "their defaults but for `--method`.",
        "",
        *markdown_table((*header, "seconds, fit", "seconds, predict"), table),
    ]
    return write_markdown(path, lines)


@ends_in_order
def main():
    parser = make_parser(__doc__, "command_line", seeds=[0, 1, 2])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--labels", nargs="+", choices=LABELS, default=LABELS)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    options = parser.parse_args()
    for seed, task in product(options.seeds, options.tasks):
        wanted = list(product([task], options.labels, options.methods, [seed]))
        missing = missing_keys(options.results, KEY, wanted)
        if not missing:
            continue
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            classes = make_tables(folder, task, seed)
            for key in keys_to_do(options.results, KEY, missing):
                append_rows(options.results, [run_one(folder, *key, classes)], KEY)
                print(*key, flush=True)
    print(render(options.results))


if __name__ == "__main__":
    main()
