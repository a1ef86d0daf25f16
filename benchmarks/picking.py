"""Precision and recall of the pickers on simulated tomograms of eight complexes.

    python benchmarks/picking.py

The difference of Gaussians is to find all particles; template matching and the paper's route, one
of the complexes among the others. Each may pick as many as there are. One row goes to the CSV file
for each (picker, signal-to-noise ratio, seed); rows that are there are not computed again.
"""

import time
from itertools import product

from _arguments import make_parser
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

from sksubtomo.datasets import load_density, make_tomogram
from sksubtomo.picking import (
    DifferenceOfGaussiansPicker,
    TemplateMatchingPicker,
    evaluate_picks,
    pick_dog_then_template,
)
from sksubtomo.simulate import COMPLEXES

KEY = ("snr", "seed", "picker")
VOXEL = 13.0
TARGET = "proteasome_20s_pa26"
TOLERANCE = 65.0
PICKERS = ["difference of Gaussians", "template matching", "paper's route"]


def pick(picker, tomogram, n):
    """Return coordinates of as many picks."""
    template = TemplateMatchingPicker(
        -load_density(TARGET, voxel_size_angstrom=VOXEL),
        angular_step_deg=20.0,
        symmetry="D7",
        exclusion_radius_voxels=5.0,
        max_picks=n,
    )
    dog = DifferenceOfGaussiansPicker(160.0, VOXEL)
    if picker == PICKERS[0]:
        return dog.set_params(max_picks=n).pick(tomogram).coordinates
    if picker == PICKERS[1]:
        return template.pick(tomogram).coordinates
    return pick_dog_then_template(tomogram, dog, template, n_best=n).coordinates


def run_one(snr, seed, picker):
    """Simulate, pick and return a row."""
    data = make_tomogram(
        list(COMPLEXES),
        concentration_micromolar=15.0,
        box_size=28,
        voxel_size_angstrom=VOXEL,
        snr=snr,
        random_state=seed,
    )
    truth = data.coordinates
    if picker != PICKERS[0]:
        truth = truth[data.y == data.class_names.index(TARGET)]
    start = time.perf_counter()
    picked = pick(picker, data.tomogram, len(truth))
    seconds = time.perf_counter() - start
    scores = evaluate_picks(picked, truth, tolerance_angstrom=TOLERANCE, voxel_size_angstrom=VOXEL)
    return {
        "picker": picker,
        "snr": snr,
        "seed": seed,
        "n_particles": len(truth),
        "precision": round(scores.precision, 4),
        "recall": round(scores.recall, 4),
        "f1": round(scores.f1, 4),
        "seconds": round(seconds, 1),
        **environment(),
    }


def render(path):
    """Write the table beside the CSV file and return it."""
    rows = read_rows(path)
    ratios = sorted({float(row["snr"]) for row in rows})
    lines = [
        f"Rendered by `python benchmarks/picking.py` from `{path.name}`: F1, mean ± standard",
        f"deviation over the seeds, at a tolerance of {TOLERANCE:g} A, with as many picks as there",
        "are particles, so that precision and recall are equal.",
        "",
    ]
    table = []
    for picker in PICKERS:
        chosen = [row for row in rows if row["picker"] == picker]
        cells = [
            mean_and_spread(row["f1"] for row in chosen if float(row["snr"]) == ratio)
            for ratio in ratios
        ]
        cells.append(mean_and_spread(row["seconds"] for row in chosen))
        table.append((picker, *cells))
    header = ("picker", *(f"SNR {ratio:g}" for ratio in ratios), "seconds")
    return write_markdown(path, [*lines, *markdown_table(header, table)])


@ends_in_order
def main():
    parser = make_parser(__doc__, "picking", seeds=[0, 1, 2])
    parser.add_argument("--snr", type=float, nargs="+", default=[0.03, 0.1, 0.5])
    options = parser.parse_args()
    wanted = product(options.snr, options.seeds, PICKERS)
    for snr, seed, picker in keys_to_do(options.results, KEY, wanted):
        append_rows(options.results, [run_one(snr, seed, picker)], KEY)
        print(picker, snr, seed, flush=True)
    print(render(options.results))


if __name__ == "__main__":
    main()
