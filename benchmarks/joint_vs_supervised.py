"""The demo over several seeds: is the joint network better than the supervised one?

    python benchmarks/joint_vs_supervised.py --seeds 0 1 2

appends one row for every network and seed to ``benchmarks/results/joint_vs_supervised.csv`` and
skips seeds that are there already, then renders means and standard deviations to
``joint_vs_supervised.md`` beside it.
"""

import argparse
import importlib.util
from pathlib import Path

import numpy as np
from _results import append_rows, ends_in_order, environment, mean_and_spread, read_rows

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results/joint_vs_supervised.csv"


def load_demo():
    """Import the example that ``make demo`` runs."""
    path = ROOT / "docs/examples/plot_autoencoding_classifier.py"
    spec = importlib.util.spec_from_file_location("demo", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def render(rows):
    """Return a Markdown table of mean and standard deviation over the seeds."""
    lines = [
        "Rendered by `python benchmarks/joint_vs_supervised.py` from `joint_vs_supervised.csv`.",
        "",
        "| network | labels | volumes | epochs | seeds | test accuracy | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for network in dict.fromkeys(row["network"] for row in rows):
        chosen = [row for row in rows if row["network"] == network]
        accuracy = mean_and_spread(row["accuracy"] for row in chosen)
        seconds = np.mean([float(row["seconds"]) for row in chosen])
        first = chosen[0]
        lines.append(
            f"| {network} | {first['labels']} | {first['volumes']} | {first['epochs']} "
            f"| {len(chosen)} | {accuracy} | {seconds:.0f} |"
        )
    return "\n".join(lines) + "\n"


@ends_in_order
def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()

    demo = load_demo()
    done = {int(row["seed"]) for row in read_rows(args.results)}
    for seed in sorted(set(args.seeds) - done):
        X_train, y_train, X_test, y_test, _ = demo.make_data(seed)
        _, rows = demo.compare(X_train, y_train, X_test, y_test, random_state=seed)
        rounded = [
            {k: round(v, 4) if isinstance(v, float) else v for k, v in r.items()} for r in rows
        ]
        append_rows(args.results, [{"seed": seed, **row, **environment()} for row in rounded])

    table = render(read_rows(args.results))
    args.results.with_suffix(".md").write_text(table)
    print(table)


if __name__ == "__main__":
    main()
