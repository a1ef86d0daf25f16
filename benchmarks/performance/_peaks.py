"""What the machine can do at best: matrix products and copying, as one line of JSON."""

import argparse
import json
import time

import torch

_LARGEST = 2048
_COPIED = 64 * 2**20  # bytes
# Some processors have no instructions for bfloat16, and take minutes for the largest product.
_LONG_ENOUGH = 0.1


def best_seconds(work, device, n_repeats=5):
    """Return the least seconds of some repeats, after one that warms up."""
    seconds = []
    for _ in range(n_repeats + 1):
        start = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def product_gflops(dtype, device, size):
    """Return billions of operations per second of a product of square matrices."""
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / best_seconds(lambda: a @ b, device) / 1e9


def bfloat16_gflops(device):
    """Return the same for bfloat16, of matrices that are no larger than is bearable."""
    size = 256
    gflops = product_gflops(torch.bfloat16, device, size)
    while size < _LARGEST and 2 * (2 * size) ** 3 / gflops / 1e9 < _LONG_ENOUGH:
        size *= 2
        gflops = product_gflops(torch.bfloat16, device, size)
    return gflops


def copy_gb_per_second(device):
    """Return billions of bytes per second, read and written, of a copy."""
    source = torch.zeros(_COPIED // 4, device=device)
    target = torch.empty_like(source)
    return 2 * _COPIED / best_seconds(lambda: target.copy_(source), device) / 1e9


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    figures = {
        "peak_float32_gflops": product_gflops(torch.float32, options.device, _LARGEST),
        "peak_bfloat16_gflops": bfloat16_gflops(options.device),
        "peak_copy_gb_s": copy_gb_per_second(options.device),
    }
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
