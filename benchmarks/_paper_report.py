"""Tables and figure of ``paper_tables.py``: measured values beside those of the paper."""

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from _methods import METHODS
from _paper_numbers import ACCURACY, ERROR, FRACTIONS
from _results import markdown_table, mean_and_spread, read_rows, write_markdown

TITLES = {
    **{name: METHODS[name].title for name in METHODS},
    "m1_m2": "Deep generative model, M1+M2",
    "autoencoder": "3D autoencoder",
    "references": "References (not in the paper)",
    "augmented": "Network on augmented views (not in the paper)",
}
#: Which of the paper's data sets a set is made like.
LIKE = {"real": "real", "simulated": "simulated", "tiny": "real"}
_GROUP = ("set", "max_epochs", "protocol", "device")


def groups(rows):
    """Yield what rows have in common, and the rows, in the order of the file."""
    for values in dict.fromkeys(tuple(row[name] for name in _GROUP) for row in rows):
        yield values, [row for row in rows if tuple(row[name] for name in _GROUP) == values]


def values_of(rows, method, fraction, column):
    """Return the figures of a method at a fraction of labels."""
    wanted = "none" if method == "autoencoder" else str(fraction)
    return [
        float(row[column])
        for row in rows
        if row["method"] == method and row["fraction"] == wanted and row[column] != ""
    ]


def table(rows, column, published):
    """Return a Markdown table: measured mean and standard deviation, and the paper's, if any."""
    lines = []
    for method in (name for name in TITLES if any(row["method"] == name for row in rows)):
        cells = []
        for index, fraction in enumerate(FRACTIONS):
            cells.append(mean_and_spread(values_of(rows, method, fraction, column)))
            if published:
                paper = published.get(method)
                cells.append("-" if paper is None else f"{paper[index]:.3f}")
        if any(cell != "-" for cell in cells[:: 2 if published else 1]):
            lines.append((TITLES[method], *cells))
    beside = ["paper"] if published else []
    header = [cell for fraction in FRACTIONS for cell in (f"{fraction:.0%} labels", *beside)]
    return markdown_table(["method", *header], lines)


def borne_out(rows, like):
    """Return sentences: which of the paper's claims the rows bear out, where rows say something."""
    best, lower, said = [], [], []
    for fraction in FRACTIONS:
        accuracy = {m: values_of(rows, m, fraction, "accuracy") for m in ACCURACY[like]}
        if all(accuracy.values()):
            means = {method: np.mean(found) for method, found in accuracy.items()}
            best.append((fraction, max(means, key=means.get) == "joint"))
        errors = [values_of(rows, m, fraction, "mse") for m in ("joint", "autoencoder")]
        if all(errors):
            lower.append((fraction, bool(np.mean(errors[0]) < np.mean(errors[1]))))
    for claim, outcomes in (
        ("The joint network is the most accurate of the paper's methods", best),
        ("The joint network reconstructs better than the autoencoder", lower),
    ):
        verdicts = ", ".join(f"at {f:.0%} {'yes' if true else '**no**'}" for f, true in outcomes)
        said.append(f"- {claim}: {verdicts or 'rows are missing'}.")
    return said


def render(path):
    """Write the tables beside the CSV file and return them."""
    lines = [
        f"Rendered by `python benchmarks/paper_tables.py` from `{path.name}`: mean ± standard "
        "deviation over seeds, on volumes that were not trained on, beside Tables 2 and 3 of Liu "
        "et al., BMVC 2019. Its data are not public: orders can be compared, numbers cannot. Its "
        "errors are of volumes scaled in another way than to unit variance.",
        "",
    ]
    for (name, epochs, protocol, device), rows in groups(read_rows(path)):
        like = LIKE[name]
        seeds = sorted({int(row["seed"]) for row in rows})
        lines += [
            f"## Set `{name}`, protocol `{protocol}`, {device}",
            "",
            f"At most {epochs} epochs, seeds {seeds}.",
        ]
        lines += ["", "### Accuracy (Table 2)", "", *table(rows, "accuracy", ACCURACY[like])]
        lines += ["", "### Mean squared error of the reconstruction (Table 3)", ""]
        lines += table(rows, "mse", ERROR[like])
        lines += ["", "### Units of the code that differ between volumes, of 128", ""]
        lines += table(rows, "live_units", {})
        lines += ["", "### Seconds to fit", "", *table(rows, "fit_seconds", {}), ""]
        lines += ["### What is borne out", "", *borne_out(rows, like), ""]
    return write_markdown(path, lines[:-1])


def draw(path):
    """Draw accuracy by fraction, measured and the paper's (dashed), a panel a set and protocol."""
    found = list(groups(read_rows(path)))
    figure, axes = plt.subplots(
        1, len(found), figsize=(4.5 * len(found), 4.2), sharey=True, squeeze=False
    )
    for ax, ((name, _, protocol, device), rows) in zip(axes[0], found, strict=True):
        methods = [m for m in TITLES if m != "autoencoder" and any(r["method"] == m for r in rows)]
        for color, method in zip(plt.get_cmap("tab10").colors, methods, strict=False):
            measured = [values_of(rows, method, fraction, "accuracy") for fraction in FRACTIONS]
            known = [index for index, some in enumerate(measured) if some]
            x = [100 * FRACTIONS[index] for index in known]
            spreads = [np.std(measured[i], ddof=1) if len(measured[i]) > 1 else 0.0 for i in known]
            means = [np.mean(measured[i]) for i in known]
            ax.errorbar(x, means, spreads, capsize=3, marker="o", color=color, label=TITLES[method])
            paper = ACCURACY[LIKE[name]].get(method)
            if paper is not None:
                ax.plot([100 * f for f in FRACTIONS], paper, "--", color=color, alpha=0.6)
        ax.set_title(f"{name}, {protocol}, {device}", fontsize=9)
        ax.set_xlabel("labels, % of the training volumes")
        ax.set_ylim(0, 1.02)
    axes[0, 0].set_ylabel("test accuracy (dashed: the paper's, on its own data)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=2, fontsize=8)
    figure.subplots_adjust(bottom=0.34)
    figure.savefig(path.with_suffix(".png"), dpi=120, bbox_inches="tight")
    plt.close(figure)
