import pytest
import torch

from sksubtomo.networks._device import resolve_device


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_device_without_a_gpu():
    assert resolve_device("auto") == "cpu"
    with pytest.raises(ValueError, match="sees no CUDA device"):
        resolve_device("cuda:0")
