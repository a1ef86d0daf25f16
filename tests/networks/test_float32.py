"""PyTorch's global flags hold while networks compute, and are the user's again afterwards."""

import threading

import pytest
import torch

from sksubtomo.networks._float32 import ProductFlags, read_flags, write_flags

NEW = hasattr(torch.backends.cudnn, "conv")  # flags of single operations
needs_new = pytest.mark.skipif(not NEW, reason="needs PyTorch 2.9")


@pytest.fixture(autouse=True)
def flags():
    before = read_flags()
    yield ProductFlags()
    write_flags(before)
    assert read_flags() == before


def products():
    """What convolutions and matrix products are computed in."""
    if not NEW:
        tf32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
        return tuple("tf32" if allowed else "ieee" for allowed in tf32)
    found = torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision
    return tuple("ieee" if value == "none" else value for value in found)


def old_way(value):
    def choose():
        torch.set_float32_matmul_precision(value)
        torch.backends.cudnn.allow_tf32 = value != "highest"

    return choose


def new_way():
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    torch.backends.cudnn.conv.fp32_precision = "ieee"


def general_way():
    torch.backends.fp32_precision = "tf32"


WAYS = [
    lambda: None,
    *(old_way(value) for value in ("highest", "high", "medium")),
    pytest.param(new_way, marks=needs_new),
    pytest.param(general_way, marks=needs_new),
]


@pytest.fixture(params=WAYS)
def chosen_by_user(request):
    general = torch.backends.fp32_precision if NEW else None
    request.param()
    yield read_flags()
    if NEW:
        torch.backends.fp32_precision = general


def test_float32_is_float32_and_the_flags_come_back(flags, chosen_by_user):
    with flags.hold(tf32=False):
        assert products() == ("ieee", "ieee")
        if NEW:
            mkldnn = torch.backends.mkldnn
            assert {mkldnn.conv.fp32_precision, mkldnn.matmul.fp32_precision} <= {"ieee", "none"}
    assert read_flags() == chosen_by_user


def test_tf32_is_tf32_and_the_flags_come_back(flags, chosen_by_user):
    with flags.hold(tf32=True):
        assert products()[1] == "tf32"
    assert read_flags() == chosen_by_user


def test_kernels_are_deterministic(flags):
    torch.backends.cudnn.benchmark = True
    with flags.hold(tf32=True):
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.benchmark
    assert torch.backends.cudnn.benchmark
    assert not torch.backends.cudnn.deterministic


def test_flags_come_back_after_an_error(flags):
    before = read_flags()
    with pytest.raises(KeyError), flags.hold(tf32=False):
        raise KeyError
    assert read_flags() == before


def test_what_the_user_sets_in_the_meantime_stays(flags):
    torch.set_float32_matmul_precision("high")
    with flags.hold(tf32=False):
        torch.set_float32_matmul_precision("medium")
    assert torch.get_float32_matmul_precision() == "medium"


def test_float32_wins_while_any_thread_needs_it(flags):
    before = read_flags()
    entered, leave = threading.Event(), threading.Event()

    def strict():
        with flags.hold(tf32=False):
            entered.set()
            assert leave.wait(10)

    with flags.hold(tf32=True):
        assert products() == ("tf32", "tf32")
        thread = threading.Thread(target=strict)
        thread.start()
        assert entered.wait(10)
        assert products() == ("ieee", "ieee")
        leave.set()
        thread.join(10)
        assert products() == ("tf32", "tf32")
    assert read_flags() == before


def test_many_threads_leave_the_flags_as_they_were(flags):
    before = read_flags()

    def work(tf32):
        for _ in range(200):
            with flags.hold(tf32=tf32):
                if not tf32:
                    assert products() == ("ieee", "ieee")

    threads = [threading.Thread(target=work, args=(index % 2 == 0,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_flags() == before
