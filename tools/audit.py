"""Compare the locked packages with known vulnerabilities, and say where that cannot be done.

pip-audit asks the index for advisories. One without them, such as a mirror, knows no package, which
pip-audit reports one by one and counts as a success. Here, it is a failure with one message.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
FOUND, NOT_ASKED = 1, 2


def judged(report: dict) -> tuple[int, list[str]]:
    """Return the exit code, and lines to print, of a report of pip-audit.

    Parameters
    ----------
    report : dict
        As ``pip-audit --format json`` writes it.
    """
    packages = report["dependencies"]
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    lines = [
        f"{one['name']} {one['version']}: {flaw['id']}, mended in {fixed}"
        for one in packages
        for flaw in one.get("vulns", ())
        for fixed in [", ".join(flaw["fix_versions"]) or "no release yet"]
    ]
    n_asked = len(packages) - len(skipped)
    if not n_asked:
        return NOT_ASKED, [
            f"None of {len(packages)} packages could be audited: the index gives no advisories. "
            "Run it where https://pypi.org can be reached."
        ]
    if skipped:
        lines.append(f"Not known to the index, and not audited: {', '.join(skipped)}.")
    code = FOUND if any(one.get("vulns") for one in packages) else 0
    return code, [*lines, f"{n_asked} packages of {LOCK.name} audited."]


def main() -> int:
    """Run pip-audit and return the exit code: 1 for vulnerabilities, 2 if it could not ask."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK)]
    command += ["--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner=off"]
    run = subprocess.run(command, capture_output=True, text=True)
    try:
        report = json.loads(run.stdout)
    except ValueError:
        last = (run.stderr.strip().splitlines() or ["no output"])[-1]
        print(f"The advisories could not be asked for: {last}", file=sys.stderr)
        return NOT_ASKED
    code, lines = judged(report)
    print("\n".join(lines), file=sys.stderr if code else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main())
