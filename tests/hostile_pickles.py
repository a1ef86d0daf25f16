"""Pickles as an attacker could write them, and a fuzzer: ``hostile_pickles.py 1000 0``."""

import pickle
import pickletools
import random
import sys
import tempfile
import warnings
from collections import OrderedDict
from itertools import pairwise
from pathlib import Path

import numpy as np

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import read_labeled_pickle


def contents():
    """Return what honest pickles hold."""
    volumes = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    return [
        {"ribosome": list(volumes[:2]), "none": tuple(volumes[2:].astype(">f8"))},
        OrderedDict([(np.str_("a"), list((volumes * 9).astype(np.int16))), (np.int64(3), volumes)]),
        {True: [np.asfortranarray(volumes[0])], b"b": [volumes[1].T]},
    ]


def operations(content, protocol):
    """Return the operations of a pickle, as bytes."""
    whole = pickle.dumps(content, protocol)
    places = [place for _, _, place in pickletools.genops(whole)] + [len(whole)]
    return [whole[a:b] for a, b in pairwise(places)]


def number(rng):
    """Return eight bytes of a size."""
    return rng.choice([0, 1, 3, 255, 2**16, 2**31, 2**40, 2**62, 2**63]).to_bytes(8, "little")


def operation(rng):
    """Return an operation that may be out of place."""
    kinds = [
        lambda: bytes([rng.randrange(256)]),
        lambda: rng.choice(pickletools.opcodes).code.encode("latin1") + number(rng),
        lambda: b"\x8c" + bytes([2]) + b"os" + b"\x8c" + bytes([6]) + b"system" + b"\x93",
        lambda: rng.choice([b"cnumpy\ndtype\n", b"cnumpy\nndarray\n", b"cbuiltins\neval\n"]),
        lambda: b"cnumpy.core.multiarray\n_reconstruct\n",
        lambda: b"cnumpy._core.numeric\n_frombuffer\n",
        lambda: b"h" + bytes([rng.randrange(40)]),
        lambda: b"j" + number(rng)[:4],
        lambda: b"K" + bytes([rng.randrange(256)]) + rng.choice([b"\x85", b""]),
        lambda: b"}" * 50 + b"\x85" * 50,
        lambda: rng.choice(
            [b"R", b"b", b"\x81", b"\x92", b"o", b"Q", b"0", b"2", b"(", b"u", b"s"]
        ),
        lambda: b"\x8a\x09" + number(rng) + b"\0",
    ]
    return rng.choice(kinds)()


def mutated(parts, rng):
    """Change a few operations."""
    parts = list(parts)
    for _ in range(rng.choice([1, 1, 2, 3, 8])):
        place = rng.randrange(len(parts))
        kind = rng.randrange(6)
        if kind == 0:
            parts[place] = operation(rng)
        elif kind == 1:
            parts.insert(place, operation(rng))
        elif kind == 2 and len(parts) > 1:
            del parts[place]
        elif kind == 3:
            other = rng.randrange(len(parts))
            parts[place], parts[other] = parts[other], parts[place]
        elif kind == 4:
            parts.insert(rng.randrange(len(parts)), parts[place])
        elif parts[place]:
            changed = bytearray(parts[place])
            changed[rng.randrange(len(changed))] = rng.randrange(256)
            parts[place] = bytes(changed)
    return b"".join(parts)


def fuzz(n_files, seed):
    """Read mutated pickles, and raise whatever is no FileFormatError."""
    rng = random.Random(seed)
    originals = [
        operations(content, protocol)
        for content in contents()
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ]
    warnings.simplefilter("error")
    n_refused = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.pickle"
        for number_of_file in range(n_files):
            path.write_bytes(mutated(rng.choice(originals), rng))
            try:
                X, y = read_labeled_pickle(path)
                assert X.dtype == np.float32
                assert X.ndim == 4
                assert len(X) == len(y)
            except FileFormatError:
                n_refused += 1
            except BaseException:
                path.rename(Path(tempfile.gettempdir()) / f"hostile_{seed}_{number_of_file}.pickle")
                raise
    print(f"{n_files} files, {n_refused} refused")  # noqa: T201


if __name__ == "__main__":
    fuzz(int(sys.argv[1]), int(sys.argv[2]))
