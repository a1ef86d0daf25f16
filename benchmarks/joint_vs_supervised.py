"""The demo over several seeds: is the joint network better than the supervised one?

    python benchmarks/joint_vs_supervised.py --seeds 0 1 2

appends one row for every network and seed to ``benchmarks/results/joint_vs_supervised.csv`` and
skips seeds that are there already, then renders means and standard deviations to
``joint_vs_supervised.md`` beside it.
"""

import importlib.util
from pathlib import Path

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

ROOT = Path(__file__).resolve().parents[1]


def load_demo():
    """Import the example that ``make demo`` runs."""
    path = ROOT / "docs/examples/plot_autoencoding_classifier.py"
    spec = importlib.util.spec_from_file_location("demo", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def render(path):
    """Write a table of mean and standard deviation over the seeds, and return it."""
    rows = read_rows(path)
    header = ("network", "labels", "volumes", "epochs", "seeds", "test accuracy", "seconds")
    table = []
    for network in dict.fromkeys(row["network"] for row in rows):
        chosen = [row for row in rows if row["network"] == network]
        settings = [chosen[0][name] for name in ("labels", "volumes", "epochs")]
        accuracy = mean_and_spread(row["accuracy"] for row in chosen)
        seconds = np.mean([float(row["seconds"]) for row in chosen])
        table.append((network, *settings, len(chosen), accuracy, f"{seconds:.0f}"))
    title = f"Rendered by `python benchmarks/joint_vs_supervised.py` from `{path.name}`."
    return write_markdown(path, [title, "", *markdown_table(header, table)])


@ends_in_order
def main():
    options = make_parser(__doc__, "joint_vs_supervised", seeds=[0, 1, 2]).parse_args()
    demo = load_demo()
    for (seed,) in missing_keys(options.results, ["seed"], [(seed,) for seed in options.seeds]):
        X_train, y_train, X_test, y_test, _ = demo.make_data(seed)
        _, rows = demo.compare(X_train, y_train, X_test, y_test, random_state=seed)
        rounded = [
            {k: round(v, 4) if isinstance(v, float) else v for k, v in r.items()} for r in rows
        ]
        append_rows(options.results, [{"seed": seed, **row, **environment()} for row in rounded])
    print(render(options.results))


if __name__ == "__main__":
    main()
