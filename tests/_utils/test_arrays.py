import datetime

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

from sksubtomo._utils._arrays import as_array, check_table

X = np.random.default_rng(0).normal(size=(4, 3, 2, 5)).astype(np.float32)


class Foreign:
    """An array of a library of its own, which NumPy can convert."""

    def __init__(self, array):
        self.array, self.shape = array, array.shape

    def __array__(self, dtype=None, copy=None):
        return self.array


class OnlyDlpack(Foreign):
    """An array that can be exchanged, but not be converted implicitly."""

    def __array__(self, dtype=None, copy=None):
        raise TypeError("no implicit conversion")

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def objects(volumes):
    array = np.empty(len(volumes), dtype=object)
    array[:] = list(volumes)
    return array


def tensors(volumes):
    return [torch.from_numpy(volume.copy()) for volume in volumes]


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


#: Forms of the same volumes.
FORMS = {
    "nested lists": lambda X: X.tolist(),
    "nested tuples (volumes)": lambda X: tuple(tuple(map(tuple, volume.tolist())) for volume in X),
    "list": list,
    "tuple": tuple,
    "list of lists of arrays": lambda X: [list(volume) for volume in X],
    "list of tensors": tensors,
    "list of lists of tensors (volumes)": lambda X: [tensors(volume) for volume in X],
    "list of tensors with gradients": lambda X: [t.requires_grad_() for t in tensors(X)],
    "list of arrays and tensors": lambda X: [X[0], *tensors(X[1:])],
    "list of nested lists and arrays": lambda X: [X[0].tolist(), *X[1:]],
    "tensor": lambda X: torch.from_numpy(X.copy()),
    "tensor with a gradient": lambda X: torch.from_numpy(X.copy()).requires_grad_() * 1.0,
    "negated tensor": lambda X: torch.from_numpy(-1j * X).conj().imag,
    "object array of volumes": objects,
    "object array of tensors": lambda X: objects(tensors(X)),
    "object array of numbers": lambda X: X.astype(object),
    "series of volumes": lambda X: pd.Series(list(X)),
    "foreign array": Foreign,
    "only dlpack": OnlyDlpack,
    "double": lambda X: X.astype(np.float64),
    "long double": lambda X: X.astype(np.longdouble),
    "big endian": lambda X: X.astype(">f4"),
    "fortran order": np.asfortranarray,
    "strided": lambda X: np.repeat(X, 2, axis=-1)[..., ::2],
    "reversed": lambda X: X[::-1].copy()[::-1],
    "read-only": read_only,
    "no masked voxel": np.ma.masked_array,
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_volumes(form):
    array = as_array(FORMS[form](X))
    assert isinstance(array, np.ndarray)
    assert not isinstance(array, np.ma.MaskedArray)
    assert np.array_equal(array.astype(np.float32), X)


@pytest.mark.parametrize("form", [form for form in FORMS if "volume" not in form])
def test_forms_of_rows(form):
    rows = X.reshape(4, -1)
    assert np.array_equal(np.asarray(as_array(FORMS[form](rows)), dtype=np.float32), rows)


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "bool", "float16"])
def test_types(dtype):
    values = (8 * X).astype(dtype)
    assert np.array_equal(as_array(values.tolist()), values)
    assert as_array(values) is values


def test_reduced_precision_of_tensors():
    values = torch.from_numpy(X.copy()).bfloat16()
    assert np.array_equal(as_array(values), values.float().numpy())
    assert np.array_equal(as_array(list(values)), values.float().numpy())
    eighths = torch.from_numpy(X.copy()).to(torch.float8_e4m3fn)
    assert np.array_equal(as_array(eighths), eighths.float().numpy())


def test_memory_maps_are_not_read(tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, X)
    mapped = np.load(path, mmap_mode="r")
    assert as_array(mapped) is mapped
    assert np.array_equal(as_array(list(mapped)), X)


def test_array_api():
    xp = pytest.importorskip("array_api_strict")
    assert np.array_equal(as_array(xp.asarray(X)), X)
    assert np.array_equal(as_array([xp.asarray(X[0]), X[1]]), X[:2])


def test_tables_stay_tables():
    frame, sparse = pd.DataFrame(X.reshape(4, -1)), scipy.sparse.csr_array(X.reshape(4, -1))
    assert as_array(frame) is frame
    assert as_array(sparse) is sparse


LONG = "secret" * 10_000
BAD = {
    "arrays of two shapes": ([X[0], X[1, :2]], r"different shapes, \(2, 2, 5\), \(3, 2, 5\)"),
    "tensors of two shapes": (tensors([X[0], X[1, :2]]), "different shapes"),
    "objects of two shapes": (objects([X[0], X[1, :2]]), "different shapes"),
    "ragged lists": ([X[0].tolist(), X[1, :2].tolist()], "sequences of different lengths"),
    "array and ragged list": ([X[0], X[1, :2].tolist()], "sequences of different lengths"),
    "masked": (np.ma.masked_array(X, X > 1), "masked voxels.*numpy.ma.filled"),
    "list of masked": ([np.ma.masked_array(v, v > 1) for v in X], "masked voxels"),
    "dates": (np.zeros((2, 3), "M8[s]"), r"numbers, but its type is datetime64\[s\]"),
    "list of dates": ([np.datetime64(0, "D")], "numbers, but its type is datetime64"),
    "frame of dates": (pd.DataFrame({"a": pd.to_datetime(["2020-01-01"])}), "type datetime64"),
    "records": (np.zeros((2, 3), [(f"f{i}", "f4") for i in range(500)]), "its type is"),
    "sparse tensor": (torch.eye(3).to_sparse(), r"torch\.Tensor that NumPy cannot read \(.*Sparse"),
    "tensor without data": (torch.empty(2, 3, device="meta"), "NumPy cannot read .*meta tensor"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arrays(case):
    bad, message = BAD[case]
    with pytest.raises(ValueError, match="^X_val .*" + message) as error:
        as_array(bad, "X_val")
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.arange(900.0), r"2 dimensions.*\(900,\)"),
        (X, r"2 dimensions.*\(4, 3, 2, 5\)"),
        (None, r"2 dimensions.*\(\)"),
        (np.full((2, 2), LONG), "codes holds text"),
        ([[LONG]], "codes holds text"),
        (X.reshape(4, -1) * 1j, "Complex data not supported: codes holds complex numbers"),
        (pd.DataFrame({"v": list(X)}), "codes holds sequences where numbers"),
        (np.full((2, 2), np.nan), "Input codes contains NaN"),
        (np.array([[1e300, -1e300]]), "Input codes contains infinity or a value too large"),
    ],
)
def test_bad_tables_are_not_quoted(bad, message):
    with pytest.raises(ValueError, match=message) as error:
        check_table(bad, dtype=np.float32, input_name="codes")
    assert len(str(error.value)) < 300
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None


def test_objects_that_are_no_numbers_are_left_to_scikit_learn():
    with pytest.raises(TypeError, match=r"float\(\) argument must be .*not 'datetime"):
        check_table([[datetime.datetime(2020, 1, 1)]], dtype=np.float32, input_name="X")
