"""The paper's complexes from the Protein Data Bank."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from sklearn.datasets import get_data_home
from tqdm.auto import tqdm

from sksubtomo._utils._destination import check_folder, is_of_output, output_errors
from sksubtomo._utils._files import atomic_path
from sksubtomo.simulate import COMPLEXES

# Compressed mmCIF, which large entries need; tried in this order.
_MIRRORS = (
    "https://files.rcsb.org/download/{id}.cif.gz",
    "https://www.ebi.ac.uk/pdbe/entry-files/download/{id}.cif.gz",
    "https://data.pdbj.org/pub/pdb/data/structures/all/mmCIF/{id}.cif.gz",
)
_CHUNK = 1 << 16
_TIMEOUT_SECONDS = 30


def fetch_complexes(
    names: Sequence[str] | None = None,
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    mirrors: Sequence[str] | None = None,
    verbose: int = 0,
) -> dict[str, Path]:
    """Download the paper's complexes from the Protein Data Bank into a cache.

    Entries 1FNT, 2GLS, 1F1B, 2IDB, 1KP8, 3DY4, 4V4A and 5T2C, as compressed mmCIF. A download that
    broke off goes on where it stopped. A file counts as complete when its compression's own
    checksum is right and it is the entry that was asked for; its SHA-256 is kept beside it and
    checked on every call. (The PDB revises its entries, so that none can be known in advance.)

    Parameters
    ----------
    names : list of str, optional
        Keys of :data:`sksubtomo.simulate.COMPLEXES`. By default, all.
    data_home : path-like, optional
        Folder of the cache, in which a folder ``sksubtomo_pdb`` is made. By default,
        scikit-learn's: ``SCIKIT_LEARN_DATA`` or ``~/scikit_learn_data``.
    download_if_missing : bool, default=True
        False for an error where a file is not in the cache.
    mirrors : list of str, optional
        Addresses with ``{id}`` for the entry, tried in order. By default RCSB, PDBe and PDBj.
    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    paths : dict of str to Path
        A file for each name: what :func:`make_subtomograms` and :func:`make_tomogram` take as
        `classes`.

    Raises
    ------
    ValueError
        If a name is unknown.
    OSError
        If a file is missing and `download_if_missing` is False, or no mirror gives it: the message
        has what each of them said. Embedded stand-ins need no network: pass names instead of
        files.
    """
    names = list(COMPLEXES) if names is None else list(names)
    unknown = sorted(set(names) - set(COMPLEXES))
    if unknown:
        raise ValueError(f"Unknown complexes {unknown}; there are {list(COMPLEXES)}.")
    folder = Path(get_data_home(data_home)) / "sksubtomo_pdb"
    check_folder(folder, overwrite=True)
    with output_errors(folder, always=True):
        folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name in tqdm(names, desc="Structures", disable=not verbose):
        entry = COMPLEXES[name].pdb_id
        paths[name] = folder / f"{entry}.cif.gz"
        if _is_intact(paths[name]):
            continue
        if not download_if_missing:
            raise OSError(f"{entry} is not in {folder}, and download_if_missing is False.")
        _download(entry, paths[name], _MIRRORS if mirrors is None else mirrors)
    return paths


def _is_intact(path: Path) -> bool:
    checksum = path.with_suffix(path.suffix + ".sha256")
    return path.exists() and checksum.exists() and checksum.read_text().strip() == _sha256(path)


def _download(entry: str, path: Path, mirrors: Sequence[str]) -> None:
    """Try one mirror after the other."""
    refusals = []
    for mirror in mirrors:
        address = mirror.format(id=entry)
        # A part belongs to one mirror: files of two must not be joined.
        mark = hashlib.sha256(address.encode()).hexdigest()[:8]
        part = path.with_name(f"{path.name}.{mark}.part")
        try:
            _resume(address, part)
            _check_entry(part, entry)
        except (OSError, EOFError, ValueError) as error:
            if is_of_output(error):
                raise  # which is no mirror's fault
            refusals.append(f"{address}: {error}")
            continue
        with atomic_path(path.with_suffix(path.suffix + ".sha256"), overwrite=True) as checksum:
            checksum.write_text(_sha256(part) + "\n")
        os.replace(part, path)
        return
    raise OSError(
        f"{entry} could not be downloaded to {path.parent}. Offline? Pass names of the embedded "
        "stand-ins instead of files, or put the file there by hand. Tried:\n" + "\n".join(refusals)
    )


def _resume(address: str, part: Path) -> None:
    """Download what a part still lacks."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address)
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        # 416: there is nothing after what we have.
        if error.code == 416 and have:
            return
        raise
    with response, open(part, "ab" if response.status == 206 else "wb") as file:
        expected = response.headers.get("Content-Length")
        shutil.copyfileobj(response, file, _CHUNK)
        start = have if response.status == 206 else 0
    if expected is not None and part.stat().st_size != start + int(expected):
        raise OSError("the connection broke off; call again to go on")


def _check_entry(part: Path, entry: str) -> None:
    """Check the checksum within the compressed file, and whose coordinates it has."""
    try:
        with gzip.open(part) as file:
            first = file.readline()
            while file.read(_CHUNK):
                pass
    except (OSError, EOFError) as error:
        part.unlink()
        raise OSError(f"what came is not an intact compressed file: {error}") from error
    if first.strip().lower() != f"data_{entry}".lower().encode():
        part.unlink()
        raise ValueError(f"what came is not the entry {entry}; it begins with {first[:40]!r}")


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
