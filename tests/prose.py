"""Reading the prose of documents, for several tests."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def without_code(text):
    """Return the prose of a text: without literals, code blocks and targets of roles."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    block = r"^(\s*)\.\. code-block::.*?(?=^\1\S|\Z)"
    text = re.sub(block, "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^\s*(?:>>>|\.\.\. ).*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"^\s*[\w, ]+ : ", "", text, flags=re.MULTILINE)  # names of parameters
    return re.sub(r"``.*?``|`[^`]*`", "", text, flags=re.DOTALL)
