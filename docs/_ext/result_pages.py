"""Pages of the site from the tables in ``benchmarks/results``."""

from pathlib import Path

TITLES = {
    "clean_candidates": "Cleaning candidates by networks",
    "cleaning": "Cleaning candidates",
    "cleaning_cost": "Time of cleaning candidates",
    "cleaning_real": "Cleaning candidates of real microtubules",
    "clicks": "Labels until candidates are clean",
    "command_line": "The command line with its defaults",
    "compare": "The methods of the paper",
    "hard_cases": "References under complications",
    "interrupts": "Interrupts",
    "joint_vs_supervised": "The joint network and the supervised one",
    "label_efficiency": "Few labels",
    "lazy_stack": "Boxes in files",
    "live_code": "Live units and reconstructions",
    "performance": "Speed",
    "picking": "Pickers",
    "reference_memory": "References of many volumes",
    "same_accuracy": "Fast and plain computation",
    "simulation": "Speed of the simulation",
    "species": "Six species among candidates",
    "template_matching": "Template matching",
}


def write_result_pages(source, target):
    """Copy tables and figures, with titles; the file README becomes the index.

    Parameters
    ----------
    source : Path
        ``benchmarks/results``.
    target : Path
        A folder of the documentation, which holds nothing else.
    """
    target.mkdir(parents=True, exist_ok=True)
    tables = sorted(path for path in source.glob("*.md") if path.stem != "README")
    for path in tables:
        title = TITLES.get(path.stem, path.stem.replace("_", " ").capitalize())
        update(target / path.name, f"# {title}\n\n{demoted(path.read_text())}".encode())
    names = "\n".join(path.stem for path in tables)
    toctree = f"\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    update(
        target / "index.md", f"(results)=\n{(source / 'README.md').read_text()}{toctree}".encode()
    )
    for path in source.glob("*.png"):
        update(target / path.name, path.read_bytes())


def demoted(text):
    """Return a text whose titles, if any, are one level lower."""
    if not any(line.startswith("# ") for line in text.splitlines()):
        return text
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in text.splitlines())


def update(path: Path, content: bytes):
    """Write a file unless it has this content, so that its page is not read again."""
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)
