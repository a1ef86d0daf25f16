"""PyTorch's global flags hold while networks compute, and are the user's again afterwards."""

import threading

import pytest
import torch

from sksubtomo._torch._float32 import ProductFlags, read_flags, write_flags
from sksubtomo._torch._precision import holding_precision

NEW = hasattr(torch.backends.cudnn, "conv")  # flags of single operations
needs_new = pytest.mark.skipif(not NEW, reason="needs PyTorch 2.9")
GPU = {"device_type": "cuda"}  # flags of GPUs can be set where there is none


@pytest.fixture(autouse=True)
def flags():
    before = read_flags()
    yield ProductFlags()
    write_flags(before)
    assert read_flags() == before


def products(device_type="cuda"):
    """What convolutions and matrix products are computed in."""
    if not NEW:
        tf32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
        return tuple("tf32" if allowed else "ieee" for allowed in tf32)
    backends = torch.backends
    found = {
        "cuda": (backends.cudnn.conv, backends.cuda.matmul),
        "cpu": (backends.mkldnn.conv, backends.mkldnn.matmul),
    }[device_type]
    return tuple("ieee" if flag.fp32_precision == "none" else flag.fp32_precision for flag in found)


def old_way(value):
    def choose():
        torch.set_float32_matmul_precision(value)
        torch.backends.cudnn.allow_tf32 = value != "highest"

    return choose


def operations():
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    torch.backends.cudnn.conv.fp32_precision = "ieee"


def general(value):
    def choose():
        torch.backends.fp32_precision = value

    return choose


def backends():
    torch.backends.cudnn.fp32_precision = "ieee"
    torch.backends.mkldnn.fp32_precision = "bf16"


WAYS = [
    lambda: None,
    *(old_way(value) for value in ("highest", "high", "medium")),
    pytest.param(operations, marks=needs_new),
    pytest.param(backends, marks=needs_new),
    *(pytest.param(general(value), marks=needs_new) for value in ("tf32", "ieee")),
]


@pytest.fixture(params=WAYS)
def chosen_by_user(request):
    before = [torch.backends.cudnn.fp32_precision, "none"] if NEW else None
    request.param()
    yield read_flags()
    if NEW:
        torch.backends.cudnn.fp32_precision, torch.backends.mkldnn.fp32_precision = before


@pytest.mark.parametrize("device_type", ["cpu", "cuda"])
def test_float32_is_float32_and_the_flags_come_back(flags, chosen_by_user, device_type):
    with flags.hold(tf32=False, device_type=device_type):
        assert products(device_type if NEW else "cuda") == ("ieee", "ieee") or not NEW
    assert read_flags() == chosen_by_user


def test_tf32_is_tf32_and_the_flags_come_back(flags, chosen_by_user):
    with flags.hold(tf32=True, **GPU):
        assert products() == ("tf32", "tf32")
    assert read_flags() == chosen_by_user


@needs_new
@pytest.mark.parametrize("tf32", [True, False])
@pytest.mark.parametrize("first", ["none", "tf32", "ieee"])
@pytest.mark.parametrize("later", ["ieee", "tf32"])
def test_later_settings_of_the_user_have_the_effect_that_they_had(flags, tf32, first, later):
    def effect(hold):
        torch.backends.fp32_precision = first
        if hold:
            for device_type in ("cuda", "cpu"):
                with flags.hold(tf32=tf32, device_type=device_type):
                    pass
        torch.backends.fp32_precision = later
        found = read_flags()
        torch.backends.fp32_precision = "none"
        return found

    assert effect(hold=True) == effect(hold=False)


def test_a_cpu_with_the_defaults_has_nothing_to_hold(flags):
    before = read_flags()
    with flags.hold(tf32=False, device_type="cpu"):
        assert read_flags() == before


def test_kernels_are_deterministic(flags):
    torch.backends.cudnn.benchmark = True
    with flags.hold(tf32=True, **GPU):
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.benchmark
    assert torch.backends.cudnn.benchmark
    assert not torch.backends.cudnn.deterministic


def test_flags_come_back_after_an_error(flags):
    before = read_flags()
    with pytest.raises(KeyError), flags.hold(tf32=False, **GPU):
        raise KeyError
    assert read_flags() == before


def test_what_the_user_sets_in_the_meantime_stays(flags):
    with flags.hold(tf32=False, **GPU):
        torch.set_float32_matmul_precision("high")
        with flags.hold(tf32=False, **GPU):
            assert products()[1] == "ieee"
    assert products()[1] == "tf32"


def test_float32_wins_while_any_thread_needs_it(flags):
    before = read_flags()
    entered, leave = threading.Event(), threading.Event()

    def strict():
        with flags.hold(tf32=False, **GPU):
            entered.set()
            assert leave.wait(10)

    with flags.hold(tf32=True, **GPU):
        assert products() == ("tf32", "tf32")
        assert not flags.holds_float32("cuda")
        thread = threading.Thread(target=strict)
        thread.start()
        assert entered.wait(10)
        assert products() == ("ieee", "ieee")
        assert flags.holds_float32("cuda")
        leave.set()
        thread.join(10)
        assert products() == ("tf32", "tf32")
    assert read_flags() == before


def test_many_threads_leave_the_flags_as_they_were(flags):
    before, wrong = read_flags(), []

    def work(tf32):
        for _ in range(200):
            with flags.hold(tf32=tf32, **GPU):
                if not tf32 and products() != ("ieee", "ieee"):
                    wrong.append(products())

    threads = [threading.Thread(target=work, args=(index % 2 == 0,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert read_flags() == before


def test_mixed_precision_around_ends_where_precision_is_held():
    one = torch.full((1, 1), 1 + 2**-12)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with holding_precision("float32", "cpu"):
            assert (one @ one).dtype == torch.float32
        assert (one @ one).dtype == torch.bfloat16
