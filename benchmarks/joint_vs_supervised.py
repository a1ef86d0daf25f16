"""The demo over several seeds: is the joint network better than the supervised one?

    python benchmarks/joint_vs_supervised.py --seeds 0 1 2

compares them on the data of the demo ("demo") and on those of ``live_code.py`` ("microscope"):
eight complexes in boxes of 28 voxels at a signal-to-noise ratio of 0.5, 8 labels a class. One row
for every network, data and seed goes to ``benchmarks/results/joint_vs_supervised.csv``; rows that
are there are not computed again. Means and standard deviations are rendered to
``joint_vs_supervised.md`` beside it.
"""

from itertools import product

import _demo
import numpy as np
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
from live_code import simulate, split

KEY = ("data", "seed")


def microscope_data(seed):
    """Return volumes and labels to train on, and those to test on, of the simulated microscope."""
    X, _, y = simulate(0.5, seed)
    train, test, given = split(y, seed)
    return X[train], given, X[test], y[test]


DATA = {"demo": _demo.make_data, "microscope": microscope_data}


def render(path):
    """Write a table of mean and standard deviation over the seeds, and return it."""
    rows = read_rows(path)
    header = ("data", "network", "labels", "volumes", "epochs", "seeds", "test accuracy", "seconds")
    table = []
    for key in dict.fromkeys((row["data"], row["network"]) for row in rows):
        chosen = [row for row in rows if (row["data"], row["network"]) == key]
        settings = [chosen[0][name] for name in ("labels", "volumes", "epochs")]
        accuracy = mean_and_spread(row["accuracy"] for row in chosen)
        seconds = np.mean([float(row["seconds"]) for row in chosen])
        table.append((*key, *settings, len(chosen), accuracy, f"{seconds:.0f}"))
    title = f"Rendered by `python benchmarks/joint_vs_supervised.py` from `{path.name}`."
    return write_markdown(path, [title, "", *markdown_table(header, table)])


@ends_in_order
def main(arguments=None):
    parser = make_parser(__doc__, "joint_vs_supervised", seeds=[0, 1, 2])
    parser.add_argument("--data", nargs="+", choices=DATA, default=[*DATA])
    options = parser.parse_args(arguments)
    wanted = product(options.data, options.seeds)
    for name, seed in keys_to_do(options.results, KEY, wanted):
        rows = _demo.compare(*DATA[name](seed), random_state=seed)
        rounded = [
            {k: round(v, 4) if isinstance(v, float) else v for k, v in r.items()} for r in rows
        ]
        key = {"data": name, "seed": seed}
        append_rows(options.results, [{**key, **row, **environment()} for row in rounded], KEY)
    print(render(options.results))


if __name__ == "__main__":
    main()
