import pytest
import torch

from sksubtomo.networks import _precision
from sksubtomo.networks._precision import computing_in, resolve_precision


@pytest.fixture
def hardware(monkeypatch):
    """Pretend to have some hardware."""

    def pretend(capability=(7, 5), **units):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units, raising=False)
        _precision._multiplies_bfloat16.cache_clear()

    yield pretend
    _precision._multiplies_bfloat16.cache_clear()


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ({}, "float32"),
        ({"avx512_f": True, "amx_bf16": False}, "float32"),
        ({"amx_bf16": True}, "bfloat16"),
        ({"avx512_bf16": True}, "bfloat16"),
    ],
)
def test_auto_asks_the_processor(hardware, units, expected):
    hardware(**units)
    assert resolve_precision("auto", "cpu") == expected
    assert resolve_precision("float32", "cpu") == "float32"
    assert resolve_precision("bfloat16", "cpu") == "bfloat16"


@pytest.mark.parametrize(
    ("capability", "expected"), [((7, 5), "float32"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")]
)
def test_auto_asks_the_gpu(hardware, capability, expected):
    hardware(capability)
    assert resolve_precision("auto", "cuda:1") == expected


def test_auto_without_an_answer_is_float32(hardware, monkeypatch):
    hardware()
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert resolve_precision("auto", "cpu") == "float32"


def test_unknown_precision():
    with pytest.raises(ValueError, match="'half' must be one of auto, float32, bfloat16"):
        resolve_precision("half", "cpu")


def test_products_are_rounded_in_bfloat16_only():
    one = torch.full((1, 1), 1 + 2**-12)
    with computing_in("float32", "cpu"):
        assert (one @ one).dtype == torch.float32
    with computing_in("bfloat16", "cpu"):
        product = one @ one
    assert product.dtype == torch.bfloat16
    assert product == 1
