"""A machine for pickles of arrays, which calls nothing that a file names."""

from __future__ import annotations

import codecs
import math
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._files import BoundedFile
from sksubtomo._utils._messages import shorten

#: What a volume may be labeled with.
LABELS = (str, bytes, bool, int, float, np.generic)
# Of a pickle of a hundred thousand volumes; each makes an object of less than a hundred bytes.
_MOST_OPERATIONS = 4_000_000
_MOST_AXES = 32
_NUMBERS = re.compile(r"b1|[iu][1248]|f[248]")
_TEXT = re.compile(r"[US][0-9]{1,9}")


class _Name(NamedTuple):
    """What stands for a function or class that a pickle names."""

    module: str
    name: str


class _Type:
    """What stands for a dtype: one of numbers or text, in one of two byte orders."""

    def __init__(self, name: Any, *options: Any) -> None:
        text = _text(name)
        if not _NUMBERS.fullmatch(text) and not _TEXT.fullmatch(text):
            kind = {"O": "object", "O8": "object"}.get(text, shorten(text, 40))
            raise ValueError(f"it asks for arrays of {kind}, which are no numbers or text")
        self.name, self.order = text, "<"

    def build(self, state: Any) -> None:
        """Take over the byte order, and refuse fields, parts and sizes."""
        if not isinstance(state, tuple) or not 7 <= len(state) <= 9 or any(state[2:5]):
            raise ValueError("it has a type with fields or parts")
        order = _text(state[1])
        sizes = (-1, int(self.name[1:]) * (4 if self.name[0] == "U" else 1))
        if order not in ("<", ">", "|", "=") or state[5] not in sizes or any(state[8:]):
            raise ValueError("it has a type that is none of NumPy's own")
        self.order = ">" if order == ">" else "<"

    def dtype(self) -> np.dtype:
        """Return the type of numbers."""
        if not _NUMBERS.fullmatch(self.name):
            raise ValueError("it has an array of text")
        return np.dtype(self.order + self.name)


class _Array:
    """What stands for an array until its state comes: nothing."""

    value: NDArray | None = None

    def build(self, state: Any) -> None:
        """Make the array of the bytes that are there."""
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise ValueError("it has an array without shape, type and numbers")
        shape, kind, is_fortran, content = state[-4:]
        self.value = _array(content, kind, shape, "F" if is_fortran else "C")


def _array(content: Any, kind: Any, shape: Any, order: Any, axes: Any = None) -> NDArray:
    if isinstance(content, str):  # of Python 2
        content = content.encode("latin1")
    if not isinstance(content, (bytes, bytearray)) or not isinstance(kind, _Type):
        raise ValueError("it has an array without type or numbers")
    if not isinstance(shape, tuple) or len(shape) > _MOST_AXES or order not in ("C", "F", "K"):
        raise ValueError("it has an array without a shape")
    if not all(type(edge) is int and edge >= 0 for edge in shape):
        raise ValueError("it has an array without a shape")
    dtype = kind.dtype()
    if math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(f"it has {len(content)} bytes for an array of shape {shape[:4]}")
    array = np.frombuffer(content, dtype)
    if order == "K":  # of axes in another order than that of memory
        return array.reshape(shape).transpose(axes)
    return array.reshape(shape, order=order)


# --- What a pickle may name, and what is done instead of calling it ---------------------------


def _empty_array(kind: Any, shape: Any, _typecode: Any) -> _Array:
    """Return what NumPy begins with: the rest comes with the numbers."""
    if kind != ("numpy", "ndarray") or shape != (0,):
        raise ValueError("it makes an array other than NumPy does")
    return _Array()


def _scalar(kind: Any, content: Any) -> Any:
    if isinstance(kind, _Type) and kind.name[0] == "U":
        order = "be" if kind.order == ">" else "le"
        # Python's own decoder refuses what is no text.
        return bytes(content).decode(f"utf-32-{order}").rstrip("\0")
    if isinstance(kind, _Type) and kind.name[0] == "S":
        return bytes(content).rstrip(b"\0")
    return _array(content, kind, (), "C")[()]


def _latin_bytes(text: Any, encoding: Any) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"it asks for the encoding {shorten(repr(encoding), 80)}")
    return text.encode("latin1")


def _mapping(*items: Any) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for key, value in items[0] if items else ():
        _set(made, key, value)
    return made


def _ndarray(*_: Any) -> None:
    raise ValueError("it calls numpy.ndarray, which is not callable here")


_CORES = ("numpy.core", "numpy._core")  # NumPy moved its modules in version 2.
_FUNCTIONS: dict[tuple[str, str], Callable[..., Any]] = {
    **{(f"{core}.multiarray", "_reconstruct"): _empty_array for core in _CORES},
    **{(f"{core}.multiarray", "scalar"): _scalar for core in _CORES},
    **{(f"{core}.numeric", "_frombuffer"): _array for core in _CORES},
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _ndarray,
    ("_codecs", "encode"): _latin_bytes,
    ("collections", "OrderedDict"): _mapping,
}


def _named(module: Any, name: Any) -> _Name:
    found = _Name(_text(module), _text(name))
    if found not in _FUNCTIONS:
        raise ValueError(f"it asks for {shorten('.'.join(found), 80)}, which is no array")
    return found


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("latin1")
    if not isinstance(value, str):
        raise ValueError("it has something else where text should be")
    return value


def _set(mapping: Any, key: Any, value: Any) -> None:
    # Hashing tuples within tuples could exhaust the stack of the interpreter.
    if not isinstance(mapping, dict) or not isinstance(key, (*LABELS, type(None))):
        raise ValueError(f"the label {type(key)} is not of a list of volumes")
    mapping[key] = value


# --- The machine -------------------------------------------------------------------------------

_CODES = {found.code: found for found in pickletools.opcodes}
_MARK = object()
# Operations that push what they carry.
_CONSTANTS = {
    *("BINBYTES", "BINBYTES8", "SHORT_BINBYTES", "BYTEARRAY8", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINUNICODE", "UNICODE", "BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1"),
    *("LONG4", "FLOAT", "BINFLOAT", "BINSTRING", "SHORT_BINSTRING", "STRING"),
}
_FIXED: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
    "MARK": lambda: _MARK,
}


def load_arrays(path: Path) -> Any:
    """Read a pickle of arrays, containers, text and numbers.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    content : object
        Of arrays that cannot be written to, and of what is in Python.

    Raises
    ------
    ValueError
        If it is cut off, says of something that it is larger than the file, or asks for anything
        else; and whatever ``pickletools`` raises of damaged files.
    """
    with open(path, "rb") as file:
        return _Machine(BoundedFile(file)).run()


class _Machine:
    """Runs the operations of one pickle.

    Parameters
    ----------
    file : BoundedFile
        Of which no reader gets more than there is.
    """

    def __init__(self, file: BoundedFile) -> None:
        self._file = file
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Return what the last operation leaves."""
        for _ in range(_MOST_OPERATIONS):
            code = self._file.read(1)
            if not code:
                raise ValueError("it is cut off")
            found = _CODES.get(code.decode("latin1"))
            if found is None:
                raise ValueError("it has an operation that pickles do not know")
            if found.name == "STOP":
                return _finished(self._pop())
            self._do(found.name, self._argument(found))
        raise ValueError(f"it has more than {_MOST_OPERATIONS} operations")

    def _argument(self, found: pickletools.OpcodeInfo) -> Any:
        if found.name == "STRING":  # of Python 2, whose bytes are escaped
            line = self._file.readline().strip()
            if len(line) < 2 or line[:1] not in b"'\"" or line[-1:] != line[:1]:
                raise ValueError("it has text without quotes")
            content = codecs.escape_decode(line[1:-1])[0]
            return content.decode("latin1")
        return None if found.arg is None else found.arg.reader(self._file)  # type: ignore[arg-type]

    def _do(self, name: str, argument: Any) -> None:
        if name in _CONSTANTS:
            self._stack.append(argument)
        elif name in _FIXED:
            self._stack.append(_FIXED[name]())
        elif name == "FRAME":
            if argument > self._file.n_bytes:
                raise ValueError(f"it says of a part that it has {argument} bytes")
        elif name in _OPERATIONS:
            _OPERATIONS[name](self, argument)
        elif name != "PROTO":
            raise ValueError(f"it has the operation {name}, which arrays do not need")

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("it has a mark where a value should be")
        return value

    def _top(self) -> Any:
        value = self._pop()
        self._stack.append(value)
        return value

    def _since_mark(self) -> list[Any]:
        """Take what lies above the last mark, and the mark."""
        values = []
        while (value := self._stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    # --- Operations, by their names in ``pickletools`` ----------------------------------------

    def _pop_mark(self, _: Any) -> None:
        self._since_mark()

    def _put(self, place: int) -> None:
        if place > len(self._memo):
            raise ValueError(f"it keeps a value at place {place} of its memory")
        self._memo[place] = self._top()

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._top()

    def _get(self, place: int) -> None:
        self._stack.append(self._memo[place])

    def _global(self, argument: str) -> None:
        self._stack.append(_named(*argument.split(" ", 1)))

    def _stack_global(self, _: Any) -> None:
        name = self._pop()
        self._stack.append(_named(self._pop(), name))

    def _reduce(self, _: Any) -> None:
        arguments, called = self._pop(), self._pop()
        if not isinstance(called, _Name) or not isinstance(arguments, tuple):
            raise ValueError("it calls what is not callable")
        self._stack.append(_FUNCTIONS[called](*arguments))

    def _build(self, _: Any) -> None:
        state, made = self._pop(), self._top()
        if not isinstance(made, (_Array, _Type)):
            raise ValueError("it gives a state to what has none")
        made.build(state)

    def _tuple1(self, _: Any) -> None:
        self._stack.append((self._pop(),))

    def _tuple2(self, _: Any) -> None:
        last = self._pop()
        self._stack.append((self._pop(), last))

    def _tuple3(self, _: Any) -> None:
        last, second = self._pop(), self._pop()
        self._stack.append((self._pop(), second, last))

    def _tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._since_mark()))

    def _list(self, _: Any) -> None:
        self._stack.append(self._since_mark())

    def _dict(self, _: Any) -> None:
        values = self._since_mark()
        self._stack.append(_mapping(list(zip(values[::2], values[1::2], strict=True))))

    def _append(self, _: Any) -> None:
        self._extend([self._pop()])

    def _appends(self, _: Any) -> None:
        self._extend(self._since_mark())

    def _extend(self, values: list[Any]) -> None:
        made = self._top()
        if not isinstance(made, list):
            raise ValueError("it appends to what is no list")
        made += values

    def _setitem(self, _: Any) -> None:
        value, key = self._pop(), self._pop()
        _set(self._top(), key, value)

    def _setitems(self, _: Any) -> None:
        values = self._since_mark()
        for key, value in zip(values[::2], values[1::2], strict=True):
            _set(self._top(), key, value)


_OPERATIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "APPEND": _Machine._append,
    "APPENDS": _Machine._appends,
    "BINGET": _Machine._get,
    "BINPUT": _Machine._put,
    "BUILD": _Machine._build,
    "DICT": _Machine._dict,
    "GET": _Machine._get,
    "GLOBAL": _Machine._global,
    "LIST": _Machine._list,
    "LONG_BINGET": _Machine._get,
    "LONG_BINPUT": _Machine._put,
    "MEMOIZE": _Machine._memoize,
    "POP_MARK": _Machine._pop_mark,
    "PUT": _Machine._put,
    "REDUCE": _Machine._reduce,
    "SETITEM": _Machine._setitem,
    "SETITEMS": _Machine._setitems,
    "STACK_GLOBAL": _Machine._stack_global,
    "TUPLE": _Machine._tuple,
    "TUPLE1": _Machine._tuple1,
    "TUPLE2": _Machine._tuple2,
    "TUPLE3": _Machine._tuple3,
}


def _finished(value: Any) -> Any:
    """Return labels and volumes with arrays instead of what stands for them."""
    if not isinstance(value, dict):
        return value
    return {key: _volumes(volumes) for key, volumes in value.items()}


def _volumes(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [one.value if isinstance(one, _Array) else one for one in value]
    return value.value if isinstance(value, _Array) else value
