"""Template matching from coarse to fine against the exhaustive search: what is found, and seconds.

    python benchmarks/template_matching.py

Simulated tomograms of four complexes, of which one is searched for; as many are picked as there
are. Settings of the search were chosen on tomograms of the seeds 5, 7, 8 and 102. One row goes to
the CSV file for each (template, search, signal-to-noise ratio, seed); rows that are there are not
computed again.
"""

import argparse
import time
from itertools import product
from pathlib import Path

from _results import (
    append_rows,
    ends_in_order,
    environment,
    keys_to_do,
    mean_and_spread,
    read_rows,
)

from sksubtomo.datasets import load_density, make_tomogram
from sksubtomo.picking import TemplateMatchingPicker, evaluate_picks

RESULTS = Path(__file__).parent / "results/template_matching.csv"
KEY = ("template", "search", "snr", "seed")
VOXEL = 13.0
CLASSES = ["proteasome_20s_pa26", "ubid", "groel", "glutamine_synthetase"]
#: Point group and angular step of the templates.
TEMPLATES = {"proteasome_20s_pa26": ("D7", 15.0), "ubid": ("C1", 20.0)}
SEARCHES = ["coarse_to_fine", "exhaustive"]
TOLERANCE = 65.0
SHAPE = (56, 128, 128)


def run_one(template, search, snr, seed):
    """Simulate, pick and return a row."""
    data = make_tomogram(
        CLASSES,
        n_particles=32,
        shape=SHAPE,
        box_size=24,
        voxel_size_angstrom=VOXEL,
        snr=snr,
        random_state=seed,
    )
    truth = data.coordinates[data.y == data.class_names.index(template)]
    symmetry, step = TEMPLATES[template]
    picker = TemplateMatchingPicker(
        -load_density(template, voxel_size_angstrom=VOXEL),
        angular_step_deg=step,
        symmetry=symmetry,
        search=search,
        max_picks=len(truth),
        n_jobs=1,
    )
    estimate = picker.plan(SHAPE).seconds
    start, processor = time.perf_counter(), time.process_time()
    picks = picker.pick(data.tomogram)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    scores = evaluate_picks(
        picks.coordinates, truth, tolerance_angstrom=TOLERANCE, voxel_size_angstrom=VOXEL
    )
    return {
        "template": template,
        "search": search,
        "snr": snr,
        "seed": seed,
        "angular_step_deg": step,
        "n_particles": len(truth),
        "precision": round(scores.precision, 4),
        "recall": round(scores.recall, 4),
        "mean_score": round(float(picks.scores.mean()), 4),
        "seconds": round(seconds, 1),
        "processor_seconds": round(processor, 1),
        "estimated_seconds": round(estimate, 1),
        **environment(),
    }


def render(path):
    """Write the table beside the CSV file and return it."""
    rows = read_rows(path)
    lines = [
        f"Rendered by `python benchmarks/template_matching.py` from `{path.name}`: recall, which",
        "is precision, too, since as many are picked as there are; mean ± standard deviation over",
        f"the seeds, at a tolerance of {TOLERANCE:g} A; tomograms of",
        f"{' x '.join(map(str, SHAPE))} voxels, one thread.",
        "",
        "| template | step | SNR | search | seeds | recall | mean score | processor seconds |",
        "|---" * 8 + "|",
    ]
    keys = ("template", "angular_step_deg", "snr", "search")
    groups = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in keys), []).append(row)
    for values, chosen in sorted(groups.items()):
        figures = [
            mean_and_spread(row[name] for row in chosen)
            for name in ("recall", "mean_score", "processor_seconds")
        ]
        lines.append(f"| {' | '.join(values)} | {len(chosen)} | {' | '.join(figures)} |")
    text = "\n".join(lines) + "\n"
    path.with_suffix(".md").write_text(text)
    return text


@ends_in_order
def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--snr", type=float, nargs="+", default=[0.03, 0.1])
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 110, 111, 112])
    parser.add_argument("--results", type=Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args()
    tasks = product(options.seeds, options.snr, TEMPLATES, SEARCHES)
    wanted = [(template, search, snr, seed) for seed, snr, template, search in tasks]
    for key in keys_to_do(options.results, KEY, wanted):
        row = run_one(*key)
        append_rows(options.results, [row], KEY)
        print(*list(row.values())[:12], flush=True)
    print(render(options.results))


if __name__ == "__main__":
    main()
