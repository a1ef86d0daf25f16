"""Writing and reading model files."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sklearn
from sklearn.exceptions import InconsistentVersionWarning

from sksubtomo._utils._archive import Archive, write_archive
from sksubtomo._utils._files import atomic_path, check_is_file, errors_of_damage
from sksubtomo._utils._values import PLAIN
from sksubtomo.exceptions import FileFormatError
from sksubtomo.persistence._decode import Decoder
from sksubtomo.persistence._encode import Encoder
from sksubtomo.persistence._schema import envelope, migrated

_DOCUMENT = "model.json"
_REMEDY = "Model files are what sksubtomo.save_model and `sksubtomo fit` write."
# What pickles begin with, and the compressed ones of joblib (zlib, gzip, bz2, xz, lzma, lz4).
_PICKLES = (
    *(b"\x80" + bytes([protocol]) for protocol in range(2, 6)),
    *(b"\x78", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x5d\x00", b"\x04\x22\x4d\x18"),
)


def save_model(
    model: Any,
    path: str | os.PathLike[str],
    *,
    metadata: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write an estimator to a file that runs no code when it is read.

    The file is a zip archive of JSON and of arrays in NumPy's format. It holds estimators,
    transformers, calibrators and settings of this package and many of scikit-learn, fitted or not:
    pipelines of them, too. What it does not hold is refused by name: functions, other classes, and
    estimators of other packages.

    Parameters
    ----------
    model : estimator
        What to write.
    path : path-like
        The file, for example ``model.sksubtomo``. It appears when it is complete.
    metadata : mapping, optional
        What else to keep, for :func:`model_info`: text, numbers, arrays, lists, tuples and mappings
        of them.
    overwrite : bool, default=False
        Whether there may be a file already.

    Raises
    ------
    FileExistsError
        If the file exists and `overwrite` is False.
    ValueError
        If something in the model cannot be written; the message says where it is.

    See Also
    --------
    load_model : Read it.

    Notes
    -----
    A model that was loaded predicts the same bits as the one that was written, with the same
    software on the same hardware. Networks keep their optimizers and random generators, so that
    ``warm_start`` and ``partial_fit`` go on as if there had been no file in between.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sksubtomo.persistence import load_model, save_model
    >>> from sksubtomo.preprocessing import GaussianLowPass, VolumeNormalizer
    >>> model = make_pipeline(VolumeNormalizer(), GaussianLowPass(30.0, 10.0))
    >>> model = model.fit(np.random.default_rng(0).normal(size=(4, 8, 8, 8)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, f"{folder}/model.sksubtomo")
    ...     print(load_model(f"{folder}/model.sksubtomo"))
    Pipeline(steps=[('volumenormalizer', VolumeNormalizer()),
                    ('gaussianlowpass',
                     GaussianLowPass(resolution_angstrom=30.0,
                                     voxel_size_angstrom=10.0))])
    """
    encoder = Encoder()
    document = envelope()
    with encoder.data_only():
        document["metadata"] = encoder.encode(dict(metadata or {}), "metadata")
    document["model"] = encoder.encode(model, type(model).__name__)
    if not isinstance(document["model"], dict) or "object" not in document["model"]:
        raise ValueError(f"model is a {type(model).__name__}, and no estimator.")
    with atomic_path(path, overwrite=overwrite) as temporary:
        write_archive(temporary, document, encoder.arrays, name=_DOCUMENT)


def load_model(path: str | os.PathLike[str]) -> Any:
    """Read an estimator that :func:`save_model` wrote.

    Nothing in the file chooses what is run: classes are looked up by name in a fixed list, and
    sizes are checked before memory is asked for. Pickles are refused.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    model : estimator
        As it was written.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If it is a pickle or another file, is damaged, holds what it may not, or was written in a
        newer schema than this version of sksubtomo knows.

    Warns
    -----
    InconsistentVersionWarning
        If it holds estimators of scikit-learn, fitted with another version of scikit-learn.

    See Also
    --------
    model_info : What is in a file, without making its estimator.
    """
    path = Path(path)
    with _opened(path) as (archive, document):
        decoder = Decoder(archive.array, len(document["arrays"]))
        # Its arrays are there once, and belong to it.
        decoder.decode(document["metadata"])
        model = decoder.decode(document["model"])
        if not hasattr(model, "get_params"):
            raise ValueError("it holds no estimator")
        written, others = _inconsistent(document)
    for name in others:
        warnings.warn(
            InconsistentVersionWarning(
                estimator_name=name,
                current_sklearn_version=sklearn.__version__,
                original_sklearn_version=written,
            ),
            stacklevel=2,
        )
    return model


def model_info(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a model file says of itself, without making its estimator.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    info : dict
        ``"estimator"``, the names of its class and, of a pipeline, of its steps; ``"written"``, the
        date; ``"schema"``; ``"versions"`` of software; and ``"metadata"``, as given to
        :func:`save_model`.

    Raises
    ------
    FileNotFoundError, FileFormatError
        As :func:`load_model`.
    """
    path = Path(path)
    with _opened(path) as (archive, document):
        decoder = Decoder(archive.array, len(document["arrays"]), kinds=PLAIN)
        versions = {str(k)[:80]: str(v)[:80] for k, v in document["versions"].items()}
        return {
            "estimator": _class_names(document["model"]),
            "written": str(document["written"])[:80],
            "schema": document["written_in_schema"],
            "versions": versions,
            "metadata": decoder.decode(document["metadata"]),
        }


def is_pickle(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file begins as a pickle does, or as joblib's compressed ones.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    is_pickle : bool
        False for other files, whatever they are.
    """
    with open(path, "rb") as file:
        return file.read(6).startswith(_PICKLES)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Archive, dict[str, Any]]]:
    """Yield an archive and its document in the present schema; name the file in all errors."""
    check_is_file(path, "model")
    if is_pickle(path):
        raise FileFormatError(
            f"{path} is a pickle, which can run any code when it is loaded. If you trust whoever "
            "made it, load it with joblib.load, and write it again with sksubtomo.save_model; "
            "commands take --allow-pickle."
        )
    with errors_of_damage(path, "a model file", _REMEDY), Archive(path, _DOCUMENT) as archive:
        document = migrated(archive.document)
        document["written_in_schema"] = archive.document["schema"]
        archive.document = document
        archive.described()
        yield archive, document


def _class_names(node: Any) -> str:
    name = str(node["object"]).rpartition(".")[2][:80]
    if name != "Pipeline":
        return name
    steps = [_class_names(step["tuple"][1]) for step in node["params"]["steps"]]
    return f"{name}({' > '.join(steps)})"


def _inconsistent(document: dict[str, Any]) -> tuple[str, list[str]]:
    """Return scikit-learn's version of a file, and which estimators were fitted with another."""
    written = str(document["versions"]["scikit-learn"])[:40]
    if written == sklearn.__version__:
        return written, []
    names = sorted(_names(document["model"]) - _WITHOUT_STATE)
    return written, [name.rpartition(".")[2] for name in names if name.startswith("sklearn.")]


#: Of scikit-learn, but nothing is fitted in them.
_WITHOUT_STATE = {"sklearn.pipeline.Pipeline", "sklearn.frozen.FrozenEstimator"}


def _names(node: Any) -> set[str]:
    """Return the names of all classes in a document."""
    if isinstance(node, list):
        return set().union(*map(_names, node))
    if not isinstance(node, dict):
        return set()
    inside = set().union(*map(_names, node.values())) if node else set()
    return inside | ({node["object"]} if isinstance(node.get("object"), str) else set())
