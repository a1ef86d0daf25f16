"""Time the simulator: the quick way, and the paper's set by way of tomograms.

    python benchmarks/simulation.py                   # the quick way, some seconds
    python benchmarks/simulation.py --paper 1000      # 8 x 1000 volumes of 64 voxels, into a file

One row goes to the CSV file for each run; tables are rendered beside it. Each run is a process
of its own, so that the largest resident memory is its own, too. Volumes in a file that is mapped
count as long as they are resident, although the system may take that memory back.
"""

import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from _arguments import make_parser, positive
from _results import (
    append_rows,
    ends_in_order,
    environment,
    markdown_table,
    mean_and_spread,
    read_rows,
    write_markdown,
)

from sksubtomo.datasets import make_paper_simulated, make_subtomograms


def run_quick(n_samples, n_jobs):
    """Make single particles of 28 voxels, once to warm up (maps are computed once and kept)."""
    params = {
        "kind": "single_particle",
        "classes": 8,
        "voxel_size_angstrom": 13.0,
        "snr": 0.1,
        "n_jobs": n_jobs,
    }
    make_subtomograms(64, random_state=0, **params)
    start = time.perf_counter()
    make_subtomograms(n_samples, random_state=1, **params)
    return n_samples, 28, time.perf_counter() - start


def run_paper(n_per_class, n_jobs):
    """Make the paper's simulated set in a file."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        data = make_paper_simulated(
            n_per_class, out=Path(folder) / "X.npy", n_jobs=n_jobs, verbose=1, random_state=0
        )
        seconds = time.perf_counter() - start
        assert np.isfinite(data.X[:: max(1, len(data.y) // 50)]).all()
        return len(data.y), 64, seconds


def measure(case, n, n_jobs, connection):
    """Run a case and send its row."""
    n_samples, box_size, seconds = CASES[case](n, n_jobs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    connection.send(
        {
            "case": case,
            "n_samples": n_samples,
            "box_size": box_size,
            "n_jobs": n_jobs,
            "seconds": round(seconds, 2),
            "volumes_per_second": round(n_samples / seconds, 2),
            "peak_memory_gib": round(peak, 2),
            **environment(),
        }
    )


CASES = {"single_particle": run_quick, "paper": run_paper}
TITLES = {
    "single_particle": "single particles, 28 voxels",
    "paper": "the paper's set by way of tomograms, 64 voxels",
}


def render(path):
    """Write the table beside the CSV file and return it."""
    groups = {}
    for row in read_rows(path):
        groups.setdefault((row["case"], row["n_samples"], row["n_jobs"]), []).append(row)
    title = f"Rendered by `python benchmarks/simulation.py` from `{path.name}`."
    header = ("what", "volumes", "threads", "seconds", "volumes / s", "largest memory, GiB", "runs")
    table = []
    for (case, n_samples, n_jobs), rows in groups.items():
        cells = [
            mean_and_spread(row[name] for row in rows)
            for name in ("seconds", "volumes_per_second", "peak_memory_gib")
        ]
        table.append((TITLES[case], n_samples, n_jobs, *cells, len(rows)))
    return write_markdown(path, [title, "", *markdown_table(header, table)])


@ends_in_order
def main():
    parser = make_parser(__doc__, "simulation")
    parser.add_argument("--paper", type=positive, metavar="N", help="volumes per class; else quick")
    parser.add_argument("--quick", type=positive, default=6000, metavar="N", help="volumes")
    parser.add_argument("--repeats", type=positive, default=3, help="of the quick way")
    parser.add_argument("--jobs", type=positive, default=2)
    options = parser.parse_args()
    case, n = (
        ("single_particle", options.quick) if options.paper is None else ("paper", options.paper)
    )
    context = multiprocessing.get_context("spawn")
    for _ in range(options.repeats if options.paper is None else 1):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=measure, args=(case, n, options.jobs, sender))
        process.start()
        sender.close()
        try:
            append_rows(options.results, [receiver.recv()])
        finally:
            process.terminate()  # an interrupt would wait for it
            process.join()
    print(render(options.results))


if __name__ == "__main__":
    main()
