"""Measured figures in prose are read from results by the role ``result``, and not typed."""

import re

import pytest
from prose import ROOT, without_code

#: Fractions, percentages, factors and times, as measured results are written.
FIGURE = re.compile(
    r"(?<![\w.-])(?:\d+(?:\.\d+)? ?%|0\.\d+"
    r"|\d+(?:\.\d+)?(?= times (?:faster|slower|as|more|less)\b)"
    r"|\d+(?:\.\d+)?(?= (?:seconds?|minutes?|hours?|GiB|GB)\b))"
)
#: Words for what is measured. A sentence with one of them and a figure reports a result.
MEASURES = re.compile(
    r"\b(?:accurac(?:y|ies)|precision|recall|AUC|AUROC|Rand index|faster|slower|speedup|"
    r"takes?|took|removes?|gains?|errors?|memory)\b",
    re.IGNORECASE,
)
#: Sentences whose figure is a setting or a definition, by a part of them, and why.
ALLOWED = {
    "at a confidence of 95 %": "printed by the doctest above it",
    "where they agree with less than 90 %": "the threshold in the code, which a test compares",
    "in batches of": "settings of a preset",
    "losses and accuracies that agree within 0.001": "the tolerance of a test",
    "larger by chance": "a formula",
    "is not positive, below 0.01": "a limit of the reader",
}


def documents():
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.rst"), *ROOT.glob("docs/user_guide/*.rst")]
    return [page for page in sorted(pages) if page.stem != "sg_execution_times"]


def typed_figures(text):
    """Return the sentences of a page that state a measured figure."""
    prose = re.sub(r"^\s*[=+-]{3}[=+ -]*$", "\n", text, flags=re.MULTILINE)
    sentences = re.split(r"(?<=[.:;])\s|\n\s*\n|\n- ", without_code(prose))
    joined = (" ".join(sentence.split()) for sentence in sentences)
    return [
        sentence
        for sentence in joined
        if FIGURE.search(sentence)
        and MEASURES.search(sentence)
        and not any(part in sentence for part in ALLOWED)
    ]


@pytest.mark.parametrize("page", documents(), ids=lambda page: page.stem)
def test_no_measured_figure_is_typed(page):
    assert not typed_figures(page.read_text())


def test_typed_figures_are_found():
    for text in (
        "The accuracy is 0.93 on held-out volumes.",
        "It is 2.5 times faster.",
        "A fit takes 20 minutes.",
        "This removes\n98 % of the false positives.",
    ):
        assert typed_figures(text), text
    for text in (
        "The accuracy is :result:`table.accuracy(method=a) .2f`.",
        "Below 0.95 it warns.",
        "See ``accuracy=0.9``.",
    ):
        assert not typed_figures(text), text


def test_exceptions_are_needed():
    pages = " ".join(" ".join(page.read_text().split()) for page in documents())
    for part in ALLOWED:
        assert part in pages, part
