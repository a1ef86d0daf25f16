"""Figures in the documentation that are read from ``benchmarks/results`` when it is built.

A role puts one figure into a sentence::

    :result:`label_efficiency.accuracy(snr=0.1, labels=5%, method=recommended) mean .2f`

is the mean of the column ``accuracy`` over the rows of ``label_efficiency.csv`` that have these
values, in Python's format ``.2f``. Instead of ``mean``: ``min``, ``max``, ``spread`` (mean ±
standard deviation) or ``count``. Values may be alternatives (``seed=0|1``).

A directive makes a table, with a row for each value of one or several columns::

    .. results:: label_efficiency
       :rows: method
       :columns: snr, labels
       :value: accuracy
       :where: labels=5%
       :names: recommended=References, three initializations; cnn=Network
       :format: spread .3f

Without ``:columns:``, ``:value:`` may list several columns. Only rows with a name are shown if
``:names:`` is given, in its order. A figure that has no row is a warning, which fails the build.
"""

import csv
import functools
import re
import statistics
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive, directives
from docutils.parsers.rst.roles import set_classes

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks/results"
FIGURE = re.compile(r"(\w+)\.(\w+)\(([^()]*)\)(?:\s+(mean|min|max|spread|count))?(?:\s+(\S+))?$")


#: Abbreviations in names of columns.
WORDS = re.compile(r"\b(?:snr|auroc|mse|gib|mib)\b")


class NoResultError(LookupError):
    """No row of the results has what is asked for."""


@functools.cache
def read_rows(name):
    """Return the rows of a CSV file of ``benchmarks/results``."""
    path = RESULTS / f"{name}.csv"
    if not path.exists():
        raise NoResultError(f"there is no {path.name} in benchmarks/results")
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def conditions(text):
    """Return the allowed values by column of a text like ``snr=0.1, seed=0|1``."""
    pairs = (part.partition("=") for part in text.split(",") if part.strip())
    return {column.strip(): value.strip().split("|") for column, _, value in pairs}


def matching(name, where):
    """Return the rows that have all values.

    Raises
    ------
    NoResultError
        If the file lacks a column, or no row matches.
    """
    rows = read_rows(name)
    unknown = set(where) - set(rows[0] if rows else ())
    if unknown:
        raise NoResultError(f"{name}.csv has no column {', '.join(sorted(unknown))}")
    found = [row for row in rows if all(row[key] in values for key, values in where.items())]
    if not found:
        raise NoResultError(f"{name}.csv has no row with {where}")
    return found


def summarize(values, how="mean", spec=".3f"):
    """Return values, given as text, as one figure; a dash if there are none."""
    numbers = [float(value) for value in values if value not in ("", "nan")]
    if how == "count":
        return str(len(values))
    if not numbers:
        return "–"
    if how == "spread":
        spread = f" ± {statistics.stdev(numbers):{spec}}" if len(numbers) > 1 else ""
        return f"{statistics.fmean(numbers):{spec}}{spread}"
    return format({"mean": statistics.fmean, "min": min, "max": max}[how](numbers), spec)


def figure(text):
    """Return the figure that the text of a role asks for."""
    asked = FIGURE.match(text.strip())
    if not asked:
        raise NoResultError(f"{text!r} is not FILE.COLUMN(CONDITIONS) [mean|min|...] [FORMAT]")
    name, column, where, how, spec = asked.groups()
    rows = matching(name, conditions(where))
    if column not in rows[0]:
        raise NoResultError(f"{name}.csv has no column {column}")
    found = summarize([row[column] for row in rows], how or "mean", spec or ".3f")
    if found == "–":
        raise NoResultError(f"{name}.csv has no value of {column} with {where}")
    return found


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def table(name, rows, values, *, columns=(), where="", names="", how="spread .3f"):
    """Return the cells of a table, header first.

    Raises
    ------
    NoResultError
        If the file lacks a column or a row that is asked for.
    """
    found = matching(name, conditions(where))
    unknown = {*rows, *values, *columns} - set(found[0])
    if unknown:
        raise NoResultError(f"{name}.csv has no column {', '.join(sorted(unknown))}")
    kind, _, spec = how.partition(" ")
    shown = dict(part.strip().split("=", 1) for part in names.split(";") if part.strip())
    keys = list(dict.fromkeys(tuple(row[key] for key in rows) for row in found))
    if shown:
        missing = [key for key in shown if tuple(key.split("/")) not in keys]
        if missing:
            raise NoResultError(f"{name}.csv has no row {', '.join(missing)} with {where!r}")
        keys = [tuple(key.split("/")) for key in shown]
    groups = list(dict.fromkeys(tuple(row[key] for key in columns) for row in found))
    # Rows may have been added later; words have no order but that of the file.
    if all(_is_number(value) for group in groups for value in group):
        groups.sort(key=lambda group: [float(value) for value in group])

    def cell(key, group, value):
        of_cell = [
            row[value]
            for row in found
            if tuple(row[k] for k in rows) == key and tuple(row[k] for k in columns) == group
        ]
        return summarize(of_cell, kind, spec or ".3f") if of_cell else "–"

    titles = [
        ", ".join(f"{key} {value}" for key, value in zip(columns, group, strict=True))
        for group in groups
    ]
    header = [", ".join(rows), *(titles if columns else values)]
    body = [
        [
            shown.get("/".join(key), ", ".join(key)),
            *(cell(key, g, v) for g in groups for v in values),
        ]
        for key in keys
    ]
    header = [WORDS.sub(lambda word: word[0].upper(), text.replace("_", " ")) for text in header]
    return [header, *body]


def result_role(name, rawtext, text, lineno, inliner, options=None, content=None):
    """Put one figure into the text."""
    options = dict(options or {})
    set_classes(options)
    try:
        return [nodes.inline(rawtext, figure(text), classes=["result"])], []
    except NoResultError as error:
        message = inliner.reporter.warning(f"result: {error}", line=lineno)
        return [inliner.problematic(rawtext, rawtext, message)], [message]


def words_of(text):
    """Return the words of an option that lists names."""
    return [word.strip() for word in text.split(",")]


class ResultsTable(Directive):
    """The directive ``results``."""

    required_arguments = 1
    option_spec = {  # noqa: RUF012
        "rows": words_of,
        "columns": words_of,
        "value": words_of,
        "where": directives.unchanged,
        "names": directives.unchanged,
        "format": directives.unchanged,
        "head": words_of,
    }

    def run(self):
        """Return the table, and where it comes from."""
        options, name = self.options, self.arguments[0]
        try:
            cells = table(
                name,
                options["rows"],
                options["value"],
                columns=options.get("columns", ()),
                where=options.get("where", ""),
                names=options.get("names", "").replace("\n", " "),
                how=options.get("format", "spread .3f"),
            )
        except NoResultError as error:
            return [self.state.document.reporter.warning(f"results: {error}", line=self.lineno)]
        cells[0][: len(options.get("head", []))] = options.get("head", [])
        source = nodes.paragraph(classes=["results-source"])
        source += nodes.Text("From ")
        source += nodes.literal(text=f"benchmarks/results/{name}.csv")
        source += nodes.Text(".")
        return [nodes.container("", build(cells), classes=["results-table"]), source]


def build(cells):
    """Return a table of docutils."""
    made = nodes.table(classes=["results"])
    group = nodes.tgroup(cols=len(cells[0]))
    made += group
    group += [nodes.colspec(colwidth=1) for _ in cells[0]]
    head, body = nodes.thead(), nodes.tbody()
    group += [head, body]
    for part, lines in ((head, cells[:1]), (body, cells[1:])):
        for line in lines:
            row = nodes.row()
            row += [nodes.entry("", nodes.paragraph(text=text)) for text in line]
            part += row
    return made


def setup(app):
    """Register the role and the directive."""
    app.add_role("result", result_role)
    app.add_directive("results", ResultsTable)
    app.connect("env-get-outdated", pages_with_results)
    return {"parallel_read_safe": True}


def pages_with_results(app, env, added, changed, removed):
    """Read pages again whose figures come from files: these are newer than the pages at times."""
    newest = max(path.stat().st_mtime for path in RESULTS.glob("*.csv"))
    outdated = []
    for page in env.found_docs - added - changed:
        text = Path(env.doc2path(page)).read_text(encoding="utf-8")
        uses = ":result:`" in text or ".. results::" in text
        if uses and env.all_docs.get(page, 0) / 1e6 < newest:
            outdated.append(page)
    return outdated
