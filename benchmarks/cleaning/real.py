"""Candidates that pickers find in real tomograms of microtubules: cleaned by fifty labels.

    python benchmarks/cleaning/real.py

Two real tomograms, in the folder ``real/microtubules`` of SKSUBTOMO_SHARED_DATA, have one
microtubule each. Its axis is known: a parabola through positions that were marked on it. Candidates
of the one tomogram are labeled and learned from, those of the other are ranked, and the other way
round. Candidates and what is true of them:

- blobs: a difference of Gaussians of 60 angstrom. True are those in the wall of the tubule, 75 to
  140 angstrom from its axis; boxes of 20 voxels.
- tube: template matching with a hollow cylinder. True are those within 40 angstrom of the axis;
  boxes of 28 voxels.
- half tube: the same, with one half of the cylinder, low-passed to 40 angstrom.

Labels are those of 50 candidates drawn at random. Nothing was chosen on these tomograms but what is
picked: the diameter of the blobs and the half of the template leave scores something to be
desired, and a threshold so low that false ones are among the candidates.

The two other real volumes of the folder ``real`` have no candidates that could be judged. The
corner of a tomogram at 23 angstrom is outside of all but a few projections, whose streaks run
through it along one direction. The crop of a membrane is 16 voxels wide: whole boxes of 8 voxels in
its one half and in the other, to learn from and to hold out, are at most five. A second picture
shows both.

One row for each (source, learned, method, seed) goes to the CSV file; rows that are there are not
computed again. Candidates of seed 0 go to a second file, from which the picture is drawn.
"""

import os
import sys
from functools import lru_cache
from itertools import product
from pathlib import Path

import matplotlib as mpl
import numpy as np
from scipy import ndimage

mpl.use("Agg")
import matplotlib.pyplot as plt

sys.path.append(str(Path(__file__).resolve().parents[1]))

from _arguments import make_parser
from _candidates import ROOT, Candidates
from _fits import (
    CELL_TITLES,
    CELLS_EXPLAINED,
    DEFAULT_METHODS,
    METHODS,
    cells_of,
    draw_curve,
    judge,
    label_some,
    normalized,
)
from _results import (
    append_rows,
    ends_in_order,
    keys_to_do,
    markdown_table,
    read_rows,
    write_markdown,
)

from sksubtomo.fourier import gaussian_low_pass
from sksubtomo.io import extract_subtomograms, read_mrc, read_particles
from sksubtomo.picking import DifferenceOfGaussiansPicker, TemplateMatchingPicker

KEY = ("source", "learned", "method", "seed")
TOMOGRAMS = ("13pf_MT", "14pf_MT")
VOXEL = 10.52
N_LABELS = 50
#: Size of the boxes, and distances from the axis of what is true, in angstrom.
SOURCES = {"blobs": (20, (75.0, 140.0)), "tube": (28, (0.0, 40.0)), "half tube": (28, (0.0, 40.0))}
WALL_ANGSTROM = (85.0, 125.0)
BLOB_ANGSTROM = 60.0
RESOLUTION_ANGSTROM = 40.0
MOST_PICKS = 5000


def folder():
    data = Path(os.environ.get("SKSUBTOMO_SHARED_DATA", ROOT / "../shared/data"))
    return data.resolve() / "real/microtubules"


def read(path):
    return np.asarray(read_mrc(path).data, np.float32)


def distances_to_axis(name, places):
    """Return distances to the axis of the tubule in angstrom, of places z, y, x in voxels."""
    particles = read_particles(folder() / "particles.star")
    marked = (particles.tomogram_names == name) & (particles.class_numbers == 1)
    z, y, x = particles.coordinates[marked].T
    along = np.linspace(y.min() - 40, y.max() + 40, 2000)
    fits = (np.polynomial.Polynomial.fit(y, values, 2) for values in (z, x))
    of_z, of_x = (fit(along) for fit in fits)
    axis = np.column_stack([of_z, along, of_x])
    return VOXEL * np.linalg.norm(places[:, np.newaxis] - axis, axis=2).min(axis=1)


def tube(size):
    """Return a hollow cylinder along z."""
    offsets = np.arange(size) - size // 2
    radius = VOXEL * np.hypot(offsets[:, np.newaxis], offsets)
    wall = (radius > WALL_ANGSTROM[0]) & (radius < WALL_ANGSTROM[1])
    density = np.broadcast_to(wall, (size, size, size)).astype(np.float32)
    return ndimage.gaussian_filter(density, 1.0)


def half_of(density):
    """Return the lower half along x, low-passed."""
    cut = density.copy()
    cut[:, :, density.shape[2] // 2 :] = 0
    return gaussian_low_pass(cut[np.newaxis], VOXEL / RESOLUTION_ANGSTROM)[0]


def pick(tomogram, source):
    """Return picks; proteins are bright in these tomograms."""
    if source == "blobs":
        return DifferenceOfGaussiansPicker(
            BLOB_ANGSTROM, VOXEL, contrast="bright", threshold=0.0, max_picks=MOST_PICKS
        ).pick(tomogram)
    template = tube(SOURCES[source][0])
    whole = source == "tube"
    return TemplateMatchingPicker(
        template if whole else half_of(template),
        angular_step_deg=20.0 if whole else 30.0,
        # A cylinder looks the same from everywhere about its axis.
        symmetry="C12" if whole else "C1",
        exclusion_radius_voxels=3.0,
        threshold=-1.0,
        max_picks=MOST_PICKS,
    ).pick(tomogram)


@lru_cache(maxsize=2)
def make_candidates(name, source):
    """Pick in one tomogram; candidates too close to the border for a box are dropped."""
    tomogram = read(folder() / f"{name}.mrc")
    picks = pick(tomogram, source)
    size, (low, high) = SOURCES[source]
    X, kept = extract_subtomograms(
        tomogram, picks.coordinates, size, border="drop", return_index=True
    )
    places = picks.coordinates[kept]
    distances = distances_to_axis(name, places)
    is_true = (distances >= low) & (distances <= high)
    # Any place on the tubule is right, so that there is no share of them to be found.
    return Candidates(X, is_true, picks.scores[kept], places, None)


def run_one(source, learned, method, seed):
    """Fit to candidates of one tomogram; return a row and candidates of the other."""
    other = TOMOGRAMS[1 - TOMOGRAMS.index(learned)]
    learn, test = normalized(*(make_candidates(name, source) for name in (learned, other)))
    y = label_some(learn, "random", N_LABELS, seed)
    figures, own = judge(learn, test, y, method, seed)
    key = dict(zip(KEY, (source, learned, method, seed), strict=True))
    places = [
        {
            **{name: key[name] for name in ("source", "learned", "method")},
            **{axis: f"{value:.1f}" for axis, value in zip("zyx", place, strict=True)},
            "is_true": int(true),
            "probability": f"{p:.4f}",
        }
        for place, true, p in zip(test.coordinates, test.is_true, own, strict=True)
    ]
    return {**key, **figures}, places


def render(path):
    """Write the table beside the CSV file and return it."""
    rows = read_rows(path)
    lines = [
        f"Rendered by `python benchmarks/cleaning/real.py` from `{path.name}`: mean ± standard",
        f"deviation over draws of {N_LABELS} labels and over which of the two tomograms is the",
        "labeled one; of candidates of the other one.",
        *CELLS_EXPLAINED,
    ]
    table = []
    for source, method in product(SOURCES, METHODS):
        own = [row for row in rows if (row["source"], row["method"]) == (source, method)]
        if own:
            by_test = {row["learned"]: row for row in own}.values()
            candidates = ", ".join(row["n_candidates"] for row in by_test)
            share = ", ".join(f"{float(row['share_true']):.2f}" for row in by_test)
            table.append((source, candidates, share, method, *cells_of(own)))
    header = ("source", "candidates", "true of them", "method", *CELL_TITLES)
    return write_markdown(path, [*lines, "", *markdown_table(header, table)])


def draw(path):
    """Draw candidates in a slice before and after, and precision against recall."""
    rows = read_rows(path.with_name(f"{path.stem}_places.csv"))
    rows = [row for row in rows if row["learned"] == TOMOGRAMS[1]]
    if not rows:
        return
    sources = [source for source in SOURCES if any(row["source"] == source for row in rows)]
    methods = [name for name in METHODS if any(row["method"] == name for row in rows)]
    shown = "score, figures, references" if "score, figures, references" in methods else methods[-1]
    figure, axes = plt.subplots(
        1,
        2 + len(sources),
        figsize=(3.6 + 3.0 * len(sources), 3.6),
        width_ratios=[1.4, 1.4] + [3] * len(sources),
        layout="constrained",
    )
    for ax, ranked in zip(axes, ("score", shown), strict=False):
        own = [r for r in rows if (r["source"], r["method"]) == (sources[0], ranked)]
        _draw_kept(ax, own, ranked)
    for ax, source in zip(axes[2:], sources, strict=True):
        for method in methods:
            own = [r for r in rows if (r["source"], r["method"]) == (source, method)]
            draw_curve(ax, own, method)
        ax.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="recall", ylabel="precision", title=source)
    axes[2].legend(fontsize="small", loc="lower left")
    figure.savefig(path.with_suffix(".png"), dpi=100)
    plt.close(figure)


def _draw_kept(ax, rows, title):
    """Draw the candidates of a slab, as many of the most probable ones as there are true ones."""
    tomogram = folder() / f"{TOMOGRAMS[0]}.mrc"
    if tomogram.exists():
        data = read(tomogram)
        middle = len(data) // 2
        slab = data[middle - 4 : middle + 5].mean(axis=0)
        low, high = np.percentile(slab, (1, 99))
        ax.imshow(slab, cmap="gray", vmin=low, vmax=high, origin="lower")
    n_true = sum(int(row["is_true"]) for row in rows)
    kept = sorted(rows, key=lambda row: -float(row["probability"]))[:n_true]
    for is_true, color, label in ((1, "tab:green", "true"), (0, "tab:red", "false")):
        own = [row for row in kept if int(row["is_true"]) == is_true]
        places = np.array([[float(row["x"]), float(row["y"])] for row in own]).reshape(-1, 2)
        ax.plot(*places.T, "o", mfc="none", ms=4, mec=color, label=f"{len(own)} {label}")
    counts = ", ".join(line.get_label() for line in ax.lines)
    ax.set_title(f"{title}:\n{counts}", fontsize="small")
    ax.set_axis_off()


def draw_others(path):
    """Draw a slice across each axis of the two volumes that have no candidates, if they exist."""
    volumes = {
        title: folder().parent / name
        for title, name in (
            ("corner", "tomogram_crop_23A.mrc"),
            ("membrane", "membrane_crop_20A.rec"),
        )
    }
    if not all(file.exists() for file in volumes.values()):
        return
    figure, axes = plt.subplots(1, 6, figsize=(13, 2.8), layout="constrained")
    for row, (title, file) in zip(axes.reshape(2, 3), volumes.items(), strict=True):
        data = read(file)
        low, high = np.percentile(data, (2, 98))
        for number, (ax, across) in enumerate(zip(row, "zyx", strict=True)):
            # Three sections of the thicker one.
            middle, half = data.shape[number] // 2, int(len(data) > 50)
            section = data.take(range(middle - half, middle + half + 1), axis=number).mean(
                axis=number
            )
            ax.imshow(section, cmap="gray", vmin=low, vmax=high, origin="lower")
            labels = "zyx".replace(across, "")
            ax.set(title=f"{title}, {across} = {middle}", ylabel=labels[0], xlabel=labels[1])
            ax.title.set_fontsize("small")
    figure.savefig(path.with_name(f"{path.stem}_others.png"), dpi=100)
    plt.close(figure)


@ends_in_order
def main():
    parser = make_parser(__doc__, "cleaning_real", seeds=[0, 1, 2])
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=list(SOURCES))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(DEFAULT_METHODS))
    options = parser.parse_args()
    wanted = []
    if folder().is_dir():
        wanted = [
            (source, learned, method, seed)
            for source, seed, learned, method in product(
                options.sources, options.seeds, TOMOGRAMS, options.methods
            )
        ]
    else:
        print(f"no {folder()}: set SKSUBTOMO_SHARED_DATA", flush=True)
    for key in keys_to_do(options.results, KEY, wanted):
        row, places = run_one(*key)
        if row["seed"] == 0:
            append_rows(
                options.results.with_name(f"{options.results.stem}_places.csv"),
                places,
                ("source", "learned", "method", "z", "y", "x"),
            )
        append_rows(options.results, [row], KEY)
        print(*key, row["average_precision"], row["precision_at_0.90"], flush=True)
    print(render(options.results))
    draw(options.results)
    draw_others(options.results)


if __name__ == "__main__":
    main()
