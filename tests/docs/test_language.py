"""Documents, docstrings and messages use the terms of the field."""

import ast
import re

import pytest
from prose import ROOT, without_code

#: What not to write, as a regular expression, and what to write instead.
PHRASES = {
    r"made (?:data|subtomograms?|volumes?|tomograms?|ones)": "synthetic data, simulated volumes",
    r"(?:random|rotated|changed|augmented|same) copies": "augmented views, augmentation",
    r"likeliest|(?:one|two|three|several) starts\b": "best of three initializations",
    r"hills?\b": "local optimum",
    r"shares of (?:the )?(?:given )?(?:classes|labels)": "class proportions",
    r"let go\b|believes?\b": "annealing, annealing disabled",
    r"(?<!latent )(?<!exit )codes\b": "targets (of labels), latent codes (of volumes)",
    r"first stages?\b": "pre-training, pre-trained model",
    r"surer|(?:too|is|are|quite) sure\b|sure of\b": "overconfident; confident",
    r"what is (?:false|probable)|false ones|others that are false": "false positives; probability",
    r"(?<!support vector )machines?\b(?! learning)": "hardware, CPU, GPU, computer",
    r"without mercy": "strict",
    r"have a hand\b": "are chiral",
    r"never comes? back": "cannot be recovered",
    r"what costs|are dear\b": "is expensive",
    r"must not fall": "must be non-decreasing",
    r"there is no labeled scorer": "Unknown scorer; choose one of",
    r"not one file": "must match exactly one file",
    r"cop(?:y|ies) makes? the network": "Rotation augmentation is what makes the network work.",
    r"what the data say|speaks? against": "name the quantity",
}
FORBIDDEN = re.compile("|".join(f"\\b(?:{phrase})" for phrase in PHRASES), re.IGNORECASE)

#: Where a phrase has another meaning, by file: what may be written there, and why.
EXCEPTIONS = {
    "sksubtomo/io/_pickle_machine.py": ("machine", "an abstract machine that runs pickles"),
    "sksubtomo/io/_pickles.py": ("machine", "an abstract machine that runs pickles"),
    "sksubtomo/io/_mrc.py": ("machine", "the machine stamp of an MRC header"),
}
BRITISH = re.compile(
    r"\b(?:(?:un)?labell(?:ed|ing)|centre[sd]?|normalis\w+|initialis\w+|recognis\w+|colour\w*|"
    r"optimis(?!ation sets?\b)\w+|behaviour\w*|neighbour\w*|grey|modell(?:ed|ing)|favour\w*|"
    r"summaris\w+|generalis\w+|minimis\w+|maximis\w+)\b",
    re.IGNORECASE,
)


def strings_of(path):
    """Yield line and text of docstrings, messages and comments of a module."""
    source = path.read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value
    for number, line in enumerate(source.splitlines(), start=1):
        comment = re.search(r"(?:^|\s)#:?\s(.*)", line)
        if comment:
            yield number, comment[1]


def documents():
    """Return the files that are read by users."""
    pages = [*ROOT.glob("docs/*.rst"), *ROOT.glob("docs/user_guide/*.rst")]
    pages += [*ROOT.glob("docs/developers/*.rst"), *ROOT.glob("docs/api/index.rst")]
    return [*pages, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md"))]


def modules():
    """Return the modules whose texts are read by users."""
    return [*ROOT.glob("sksubtomo/**/*.py"), *ROOT.glob("docs/examples/*.py")]


def complaints(path, pattern):
    """Return a line for each phrase of a file that matches."""
    texts = strings_of(path) if path.suffix == ".py" else [(1, path.read_text())]
    name = str(path.relative_to(ROOT))
    allowed = EXCEPTIONS.get(name, ("", ""))[0]
    return [
        f"{name}:{line}: {found[0]}"
        for line, text in texts
        for found in pattern.finditer(" ".join(without_code(text).split()))
        if not allowed or allowed not in found[0].lower()
    ]


@pytest.mark.parametrize("files", [documents, modules], ids=["documents", "modules"])
@pytest.mark.parametrize("pattern", [FORBIDDEN, BRITISH], ids=["phrases", "spelling"])
def test_texts_use_the_terms_of_the_field(files, pattern):
    found = [line for path in sorted(files()) for line in complaints(path, pattern)]
    assert not found, "\n".join(found)


def test_phrases_are_found():
    for text in ("Fit on made data.", "likeliest of three starts", "Rotated copies", "MADE DATA"):
        assert FORBIDDEN.search(text), text
    for text in ("exit codes", "latent codes", "labels are made", "machine learning"):
        assert not FORBIDDEN.search(text), text
    assert not FORBIDDEN.search(without_code("see ``codes`` and `made data`"))
    assert BRITISH.search("Unlabelled volumes")


def test_exceptions_are_needed():
    for name, (allowed, _) in EXCEPTIONS.items():
        assert allowed in (ROOT / name).read_text().lower(), name
