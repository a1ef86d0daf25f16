"""Model files as an attacker could write them, and a fuzzer: ``hostile_models.py 1000 0``."""

import copy
import json
import random
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from sksubtomo.alignment import Annealing
from sksubtomo.decomposition import Autoencoder
from sksubtomo.exceptions import FileFormatError
from sksubtomo.networks import Liu2019
from sksubtomo.persistence import load_model, model_info, save_model
from sksubtomo.preprocessing import VolumeFlattener, VolumeNormalizer
from sksubtomo.semi_supervised import MultiReferenceClassifier


def read(path):
    """Return the document of a file, and its arrays as bytes."""
    with zipfile.ZipFile(path) as archive:
        arrays = {n: archive.read(n) for n in archive.namelist() if n != "model.json"}
        return json.loads(archive.read("model.json")), arrays


def write(path, document, arrays, compression=zipfile.ZIP_STORED):
    """Write a file with right checksums of entries, whatever is in them."""
    text = document if isinstance(document, (bytes, str)) else json.dumps(document)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that come twice
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr("model.json", text)
            for name, content in arrays.items() if isinstance(arrays, dict) else arrays:
                archive.writestr(name, content)


def models():
    """Return fitted models, small ones, of every kind that is written differently."""
    rng = np.random.default_rng(0)
    y = np.arange(12) % 2
    X = (rng.normal(size=(2, 8, 8, 8))[y] + 0.1 * rng.normal(size=(12, 8, 8, 8))).astype("f4")
    rows = X.reshape(12, -1)[:, ::64]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "bayes": make_pipeline(VolumeNormalizer(), VolumeFlattener(), GaussianNB()).fit(X, y),
            "vectors": SVC().fit(rows, y),
            "neighbors": KNeighborsClassifier(algorithm="kd_tree").fit(rows, y),
            "network": Autoencoder(
                network=Liu2019(n_filters=1, latent_dim=2), max_epochs=1, early_stopping=False
            ).fit(X),
            "references": MultiReferenceClassifier(
                annealing=Annealing(stages=[(2, 90, 1, 1)]), random_state=np.random.RandomState(0)
            ).fit(X, y),
        }


def places(node, found):
    """List all containers of a document with their keys."""
    keys = node.keys() if isinstance(node, dict) else range(len(node))
    for key in list(keys):
        found.append((node, key))
        if isinstance(node[key], (dict, list)):
            places(node[key], found)
    return found


VALUES = [
    *(None, True, False, 0, 1, -1, 2, 624, 2**31, -(2**31), 2**63, 10**30, 0.5, -1e300, 1e-320),
    *("", "a", "<f4", "|O", "os.system", "sklearn.svm.SVC", "MT19937", "kd_tree", "predict"),
    *([], {}, [[]], {"tuple": []}, {"ref": 0}, {"array": 0}, {"tensor": 0}, {"float": "nan"}),
    *({"slice": [0, 1, 2]}, {"set": [[]]}, {"dict": [[1, 2]]}, {"map": {"a": 1}}),
]


def mutated_document(document, rng):
    """Change a few places of a document."""
    document = copy.deepcopy(document)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        known = places(document, [])
        node, key = rng.choice(known)
        other, from_key = rng.choice(known)
        kind = rng.randrange(4)
        if kind == 0:
            node[key] = copy.deepcopy(rng.choice(VALUES))
        elif kind == 1:
            node[key] = copy.deepcopy(other[from_key])
        elif kind == 2 and isinstance(node, dict) and node:
            node[rng.choice(["id", "predict", "classes_", "kernel"])] = node.pop(key)
        elif kind == 3 and isinstance(node, list) and node:
            del node[rng.randrange(len(node))]
    return document


def mutated_bytes(content, rng):
    """Change, repeat, leave out or cut off a few bytes."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        place = rng.randrange(len(content) + 1)
        kind = rng.randrange(4)
        if kind == 0 and place < len(content):
            content[place] = rng.randrange(256)
        elif kind == 1:
            content[place:place] = content[place : place + rng.randrange(1, 60)]
        elif kind == 2:
            del content[place : place + rng.randrange(1, 60)]
        elif kind == 3:
            content[place : place + 4] = rng.choice([b"\xff" * 4, b"\0" * 4, b"\0\0\0\x80"])
        if not content:
            break
    return bytes(content)


def fuzz(n_files, seed):
    """Load mutated files, and raise whatever is no FileFormatError."""
    rng = random.Random(seed)
    warnings.simplefilter("ignore")
    n_refused = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.sksubtomo"
        originals = []
        for model in models().values():
            save_model(model, path, overwrite=True, metadata={"labels": {1: 2}})
            originals.append((path.read_bytes(), *read(path)))
        for number in range(n_files):
            content, document, arrays = rng.choice(originals)
            if rng.random() < 0.3:
                path.write_bytes(mutated_bytes(content, rng))
            else:
                write(path, mutated_document(document, rng), arrays)
            for function in (model_info, load_model):
                try:
                    function(path)
                except FileFormatError:
                    n_refused += 1
                except BaseException:
                    path.rename(Path(tempfile.gettempdir()) / f"hostile_{seed}_{number}.sksubtomo")
                    raise
    print(f"{n_files} files, {n_refused} of {2 * n_files} calls refused")  # noqa: T201


if __name__ == "__main__":
    fuzz(int(sys.argv[1]), int(sys.argv[2]))
