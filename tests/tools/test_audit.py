"""What `make audit` makes of the reports of pip-audit."""

import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[2] / "tools/audit.py"


@pytest.fixture
def audit():
    spec = importlib.util.spec_from_file_location("audit", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def report(*packages):
    return {"dependencies": list(packages)}


FINE = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3", "2.1"]}]}
OPEN = {"name": "d", "version": "2", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]}
SKIPPED = {"name": "c", "skip_reason": "Dependency not found on PyPI"}


def test_nothing_is_known_against_them(audit):
    assert audit.judged(report(FINE)) == (0, ["1 packages of requirements.lock audited."])


def test_vulnerabilities_are_named_with_their_remedies(audit):
    code, lines = audit.judged(report(FINE, BAD, OPEN))
    assert code == 1
    assert lines[0] == "b 2: PYSEC-1, mended in 3, 2.1"
    assert lines[1] == "d 2: PYSEC-2, mended in no release yet"


def test_an_index_without_advisories_is_no_success(audit):
    code, (line,) = audit.judged(report(SKIPPED, SKIPPED))
    assert code == 2
    assert line.startswith("None of 2 packages could be audited: the index gives no advisories.")


def test_what_was_not_audited_is_named(audit):
    code, lines = audit.judged(report(FINE, SKIPPED))
    assert (code, lines[0]) == (0, "Not known to the index, and not audited: c.")


def test_no_answer_is_one_message(audit, monkeypatch, capsys):
    program = "import sys; print('Traceback', 'timed out', sep='\\n', file=sys.stderr); sys.exit(1)"
    run = audit.subprocess.run
    monkeypatch.setattr(
        audit.subprocess, "run", lambda _, **more: run([sys.executable, "-c", program], **more)
    )
    assert audit.main() == 2
    assert capsys.readouterr().err == "The advisories could not be asked for: timed out\n"
