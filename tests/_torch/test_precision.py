import pytest
import torch

from sksubtomo._torch import _precision, _self_test
from sksubtomo._torch._precision import computing_in, resolve_precision
from sksubtomo.exceptions import PrecisionWarning


@pytest.fixture
def gpu(monkeypatch):
    """Pretend to have a GPU of a compute capability, on which the self-test passes or not."""

    def pretend(capability=(9, 0), passes=True):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
        monkeypatch.setattr(_precision, "passes_self_test", lambda *args: passes)
        _precision._has_tensor_cores.cache_clear()

    yield pretend
    _precision._has_tensor_cores.cache_clear()


@pytest.mark.parametrize("units", [{}, {"avx512_bf16": True}, {"amx_bf16": True}])
def test_auto_is_float32_on_every_processor(units, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units, raising=False)
    assert resolve_precision("auto", "cpu") == "float32"
    assert resolve_precision("tf32", "cpu") == "float32"
    assert resolve_precision("float32", "cpu") == "float32"
    assert resolve_precision("bfloat16", "cpu") == "bfloat16"


@pytest.mark.parametrize(
    ("capability", "auto", "tf32"),
    [((7, 5), "float32", "float32"), ((8, 0), "bfloat16", "tf32"), ((9, 0), "bfloat16", "tf32")],
)
def test_auto_asks_the_gpu(gpu, capability, auto, tf32):
    gpu(capability)
    assert resolve_precision("auto", "cuda:1") == auto
    assert resolve_precision("tf32", "cuda:1") == tf32
    assert resolve_precision("float32", "cuda:1") == "float32"


@pytest.mark.parametrize("precision", ["auto", "tf32", "bfloat16"])
def test_float32_where_the_self_test_fails(gpu, precision):
    gpu(passes=False)
    assert resolve_precision(precision, "cuda:0") == "float32"


@pytest.mark.parametrize(("device", "shortest"), [("cpu", 3), ("cuda", 2)])
def test_short_edges_are_never_reduced(gpu, device, shortest):
    gpu()
    for edge in range(1, 5):
        expected = "float32" if edge < shortest else "bfloat16"
        assert resolve_precision("bfloat16", device, shortest_edge=edge) == expected


def test_one_warning_names_the_wrong_layer(monkeypatch):
    def wrong(maps, weight):
        result = torch.nn.functional.linear(maps, weight)
        return result * 1.5 if result.dtype == torch.bfloat16 else result

    layer = _self_test._Layer("dense layer", wrong, (3, 4), (5, 4))
    monkeypatch.setattr(_self_test, "_layers", lambda device_type: [layer])
    monkeypatch.setattr(_self_test, "_FOUND", {})
    message = "On cpu, the result of a dense layer is off by 0.5 .* in bfloat16: computing in float"
    with pytest.warns(PrecisionWarning, match=message) as record:
        assert resolve_precision("bfloat16", "cpu") == "float32"
    assert len(record) == 1
    assert resolve_precision("bfloat16", "cpu") == "float32"  # without a second warning


def test_unknown_precision():
    message = "'half' must be one of auto, float32, tf32, bfloat16"
    with pytest.raises(ValueError, match=message):
        resolve_precision("half", "cpu")


def test_weights_are_rounded_anew_after_each_step():
    layer = torch.nn.Linear(1, 1, bias=False)
    with torch.autocast("cpu", enabled=False):  # as around a whole training
        for value in (1.0, 2.0):
            with torch.no_grad():
                layer.weight.fill_(value)
            with computing_in("bfloat16", "cpu"):
                assert layer(torch.ones(1, 1)).item() == value


def test_products_are_rounded_in_bfloat16_only():
    one = torch.full((1, 1), 1 + 2**-12)
    for precision in ("float32", "tf32"):
        with computing_in(precision, "cpu"):
            assert (one @ one).dtype == torch.float32
    with computing_in("bfloat16", "cpu"):
        product = one @ one
    assert product.dtype == torch.bfloat16
    assert product == 1
