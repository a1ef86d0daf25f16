"""References against RELION's Class3D on the same volumes, if ``relion_refine`` is installed.

    python benchmarks/relion.py                                   # 600 volumes, 15 minutes
    python benchmarks/relion.py --sets easy --healpix-order 2 --n-iter 25

The volumes are made as those of ``hard_cases.py`` without a complication. One row for every (set,
seed, method) goes to the CSV file as soon as it is there, and rows that are there are not computed
again. At the end, a table (Markdown) is rendered beside the CSV file.

- ``class3d``: RELION gets the subtomograms, normalized as it asks and with bright particles; the
  exact contrast transfer and missing wedge as its CTF volumes; the true maps, which it low-passes
  to 60 Angstrom, as references, one a class; and no labels. Its classes are named as fits the
  truth best, one to one.
- ``references``: :class:`sksubtomo.semi_supervised.MultiReferenceClassifier` with its defaults gets
  one label in twenty, no map, the tilt range, and nothing of the contrast transfer.
- ``references_maps``: the same with the same maps, low-passed and with the contrast transfer.

All compare frequencies up to the same resolution, in one thread. Accuracies are those of volumes
whose label was not given to any of them; seconds are CPU seconds, RELION's files not included.
"""

import argparse
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from _arguments import make_parser, positive
from _hard_specimens import FIELD_ANGSTROM, load_map
from _hard_volumes import COMPLICATIONS, SETS, make_hard_volumes
from _relion_job import (
    class3d_arguments,
    find_relion,
    matched_accuracy,
    normalized,
    run_class3d,
    write_job,
)
from _results import (
    append_rows,
    cpu_model,
    ends_in_order,
    environment,
    markdown_table,
    mean_and_spread,
    missing_keys,
    read_rows,
    write_markdown,
)
from sklearn.pipeline import make_pipeline

from sksubtomo.alignment import Annealing
from sksubtomo.fourier import apply_fourier_filter, squared_frequencies
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import MultiReferenceClassifier
from sksubtomo.simulate import Microscope, volume_transfer

TITLES = {
    "class3d": "RELION Class3D, true maps",
    "references": "References, defaults, 5 % labels",
    "references_maps": "References, true maps, 5 % labels",
}
KEY = ("set", "seed", "method", "n_train", "settings")
_HOW = COMPLICATIONS["none"]
_DEFOCUS_UM = _HOW.defocus_um[0]
_VOXEL_ANGSTROM = FIELD_ANGSTROM / _HOW.box_size


def parse_arguments(arguments=None):
    parser = make_parser(__doc__, "relion", seeds=[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["hard"])
    parser.add_argument("--methods", nargs="+", choices=TITLES, default=list(TITLES))
    parser.add_argument("--n-train", type=positive, default=600)
    parser.add_argument("--n-iter", type=positive, default=10)
    parser.add_argument(
        "--healpix-order", type=int, default=1, help="1 is 30 degrees, 15 after oversampling"
    )
    parser.add_argument("--tau2-fudge", type=float, default=1.0)
    parser.add_argument("--ini-high-angstrom", type=float, default=60.0)
    parser.add_argument("--offset-range", type=float, default=2.0, help="in voxels")
    parser.add_argument("--first-cc", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--keep", type=Path, help="folder for RELION's files; default: temporary")
    options = parser.parse_args(arguments)
    options.limit_angstrom = round(FIELD_ANGSTROM / Annealing().stages[-1][0], 1)
    options.diameter_angstrom = round(2 * _mask_radius() * _VOXEL_ANGSTROM)
    return options


def _mask_radius():
    """Return the radius of the largest sphere in the box, in voxels."""
    return _HOW.box_size // 2 - 1


def true_maps(names):
    """Return the maps in the boxes of the volumes."""
    return np.stack([_in_box(load_map(name, _HOW.max_shift, _HOW.box_size)) for name in names])


def _in_box(density):
    """Crop or pad a cube about its center, voxel ``n // 2``, to the box of the volumes."""
    before = _HOW.box_size // 2 - len(density) // 2
    after = _HOW.box_size - len(density) - before
    padded = np.pad(density, [(max(before, 0), max(after, 0))] * 3)
    cut = slice(max(-before, 0), max(-before, 0) + _HOW.box_size)
    return padded[cut, cut, cut]


def transfer():
    """Return what the simulated microscope and tilts make of every frequency."""
    return volume_transfer(
        _HOW.box_size,
        voxel_size_angstrom=_VOXEL_ANGSTROM,
        microscope=Microscope(),
        defocus_um=_DEFOCUS_UM,
        tilt_range_deg=_HOW.tilts,
    )


def class3d(options, name, seed, data):
    """Return the class of each volume as RELION finds it, CPU seconds, and its version."""
    program, version = find_relion()
    with tempfile.TemporaryDirectory(prefix="relion-") as temporary:
        folder = Path(temporary) if options.keep is None else options.keep / f"{name}-{seed}"
        # Dense matter is dark in the volumes; RELION's convention is bright particles, and
        # contrast transfer that is positive at low frequencies.
        X, spread = normalized(-data.X, _mask_radius())
        maps = true_maps(SETS[name].names) * (1 / spread).mean()
        files = write_job(folder, X, -transfer(), maps, _VOXEL_ANGSTROM, Microscope())
        arguments = class3d_arguments(options, seed)
        found, seconds = run_class3d(program, folder, *files, arguments)
    return found, seconds, version


def imaged_maps(options, name):
    """Return the maps, low-passed, with the contrast transfer of the volumes but no wedge."""
    shape = (_HOW.box_size,) * 3
    frequency = np.sqrt(squared_frequencies(shape)) / _VOXEL_ANGSTROM
    gain = Microscope().transfer(frequency**2, _DEFOCUS_UM)
    gain = gain * (frequency <= 1 / options.ini_high_angstrom)
    return apply_fourier_filter(true_maps(SETS[name].names), gain.astype(np.float32))


def references(options, name, seed, data, *, maps):
    """Return the classes that references find, CPU seconds, and the version."""
    given = imaged_maps(options, name) if maps else None
    clf = MultiReferenceClassifier(
        tilt_range_deg=_HOW.fitted_tilts, references_init=given, random_state=seed
    )
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = make_pipeline(VolumeNormalizer(), clf).fit(data.X, data.y_given)
    seconds = time.process_time() - start
    return pipeline[-1].transduction_, seconds, environment()["sksubtomo"]


def settings_of(options, method, seed):
    """Return what a row says of a method's settings."""
    return " ".join(class3d_arguments(options, seed)) if method == "class3d" else "defaults"


def run_one(options, name, seed, method):
    """Classify the volumes of a set by one method and return its row."""
    data = make_hard_volumes(name, "none", seed, n_train=options.n_train, n_test=1, n_novel=1)
    if method == "class3d":
        found, seconds, version = class3d(options, name, seed, data)
    else:
        maps = method == "references_maps"
        found, seconds, version = references(options, name, seed, data, maps=maps)
    hidden, n_classes = data.y_given == -1, len(SETS[name].names)
    y, found = data.y[hidden], found[hidden]
    return {
        "set": name,
        "seed": seed,
        "method": method,
        "n_train": options.n_train,
        "settings": settings_of(options, method, seed),
        "version": version,
        "accuracy": round(float((found == y).mean()), 4),
        "matched_accuracy": round(float(matched_accuracy(y, found, n_classes)), 4),
        "cpu_seconds": round(seconds, 1),
        "processor": cpu_model(),
        **environment(),
    }


def run(options):
    """Compute the rows that are missing."""
    if "class3d" in options.methods:
        find_relion()
    for name in options.sets:
        for seed in options.seeds:
            wanted = [
                (name, seed, method, options.n_train, settings_of(options, method, seed))
                for method in options.methods
            ]
            for key in missing_keys(options.results, KEY, wanted):
                row = run_one(options, *key[:3])
                append_rows(options.results, [row], KEY)
                print(*key[:3], row["matched_accuracy"], row["cpu_seconds"], "s", flush=True)


def render(path):
    """Write the table beside the CSV file and return it."""
    rows = read_rows(path)
    cases = dict.fromkeys((row["set"], row["n_train"], row["method"], _common(row)) for row in rows)
    table, settings = [], []
    for case in cases:
        own = [r for r in rows if (r["set"], r["n_train"], r["method"], _common(r)) == case]
        if case[2] == "class3d" and case[3] not in settings:
            settings.append(case[3])
        note = f" ({settings.index(case[3]) + 1})" if case[2] == "class3d" else ""
        columns = ("accuracy", "matched_accuracy", "cpu_seconds")
        cells = [mean_and_spread(row[column] for row in own) for column in columns]
        table.append([*case[:2], TITLES[case[2]] + note, *cells, len(own)])
    versions = sorted({row["version"] for row in rows if row["method"] == "class3d"})
    header = ["set", "volumes", "method", "accuracy", "accuracy, matched", "CPU seconds", "seeds"]
    lines = [
        f"Rendered by `python benchmarks/relion.py` from `{path.name}`, whose docstring says what",
        "each method gets: mean ± standard deviation over the seeds. Accuracy is that of volumes",
        "without a given label; matched: classes are named as fits the truth best, one to one.",
        "",
        *markdown_table(header, table),
        "",
        f"RELION {', '.join(versions)}, `relion_refine` with:",
        "",
        *(f"{k}. `{text}`" for k, text in enumerate(settings, start=1)),
        "",
        *CAVEATS,
    ]
    return write_markdown(path, lines)


def _common(row):
    """Return the settings without the seed."""
    return row["settings"].partition(" --random_seed")[0]


CAVEATS = (
    "What to keep in mind:",
    "",
    "- The task is one for references with labels. RELION cannot be told the class of some of the",
    "  volumes, and gets the true maps and the exact contrast transfer instead.",
    "- Seconds are those of the build that was installed. Debian's has double precision, without",
    "  the vectorized CPU code or a GPU; RELION is as a rule run on GPUs or with many threads.",
    "- RELION does more: it estimates the spectra of noise and signal in every iteration, and",
    "  searches a finer grid of poses.",
    "- Regularization and whether to begin by cross-correlation were chosen on other complexes",
    "  (`--sets tuning_hard --seeds 100`). Iterations are fewer and angular steps larger than its",
    "  graphical interface proposes (25 iterations, 7.5 degrees).",
    "- Volumes are simulated: one particle a box, white noise, one defocus, no neighbors.",
)


@ends_in_order
def main():
    options = parse_arguments()
    run(options)
    print(render(options.results))


if __name__ == "__main__":
    main()
