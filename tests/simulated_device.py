"""A device that is none: tensors that say they are elsewhere, and count what a GPU would wait for.

Values are computed on the CPU, so that results can be compared. Tensors of both devices do not mix,
as with a GPU; and what makes a GPU wait for its results, or sends something there or back, is
counted.
"""

from collections import Counter

import torch
from torch.utils._python_dispatch import TorchDispatchMode

#: What to ask for. PyTorch itself never computes there.
DEVICE = "meta"
# The result, or its size, has to be known on the CPU.
_WAITING = {
    "_local_scalar_dense",
    "bincount",
    "equal",
    "histc",
    "is_nonzero",
    "linalg_eigh",
    "_linalg_eigh",
    "_linalg_solve_ex",
    "masked_select",
    "nonzero",
    "unique_consecutive",
    "unique_dim",
    "_unique",
    "_unique2",
}
_INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}


class _There(torch.Tensor):
    """Stands for a tensor ``here`` on the CPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, here):
        layout = {"strides": here.stride(), "storage_offset": here.storage_offset()}
        made = torch.Tensor._make_wrapper_subclass(
            cls, here.shape, dtype=here.dtype, device=DEVICE, **layout
        )
        made.here = here
        return made

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        raise RuntimeError(f"{function} outside of the simulation")


class SimulatedDevice(TorchDispatchMode):
    """Inside, there is a device called :data:`DEVICE`.

    Attributes
    ----------
    counts : Counter
        Of "reads", which bring a result back, "sends", of which some are "blocking", and "waits";
        each wait under its own name, too.
    """

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = function.overloadpacket.__name__
        tensors = [one for one in _flat((args, kwargs)) if isinstance(one, torch.Tensor)]
        there = [one for one in tensors if isinstance(one, _There)]
        to = kwargs.get("device")
        stays = bool(there) if to is None else torch.device(to).type == DEVICE
        if not there and not stays:
            return function(*args, **kwargs)
        self._count(function, name, args, kwargs, tensors, there, stays)
        if to is not None:
            kwargs["device"] = torch.device("cpu")
        known = {id(one.here): one for one in there}
        args, kwargs = _mapped((args, kwargs), _here)
        result = function(*args, **kwargs)
        if not stays:
            # Not the memory of the device itself.
            return _mapped(result, lambda one: one.clone() if id(one) in known else one)
        return _mapped(
            result, lambda one: known[id(one)] if id(one) in known else _There(_resolved(one))
        )

    def _count(self, function, name, args, kwargs, tensors, there, stays):
        copies = name in ("_to_copy", "copy_")
        if copies and there and not stays:
            self.counts["reads"] += 1
        elif copies and len(there) < len(tensors):
            self.counts["sends"] += 1
            self.counts["blocking"] += not kwargs.get("non_blocking", False)
        elif name in _INDEXING:
            index = [one for one in args[1] if one is not None]
            here = sum(not isinstance(one, _There) for one in index)
            self.counts["sends"] += here
            self.counts["blocking"] += here
            if any(one.dtype == torch.bool for one in index):
                self._wait(name)
        elif mixed := [one.shape for one in tensors if one.ndim and not isinstance(one, _There)]:
            raise RuntimeError(f"{function} of tensors on two devices: {mixed} on the CPU")
        open_size = name == "repeat_interleave" and kwargs.get("output_size") is None
        if name in _WAITING or open_size:
            self._wait(name)

    def _wait(self, name):
        self.counts["waits"] += 1
        self.counts[name] += 1


def _here(tensor):
    return tensor.here if isinstance(tensor, _There) else tensor


def _resolved(tensor):
    """Do at once what PyTorch would do later, which the stand-in does not know of."""
    return tensor.resolve_conj().resolve_neg()


def _flat(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [one for part in value for one in _flat(part)]
    return [value]


def _mapped(value, change):
    """Replace the tensors in nested lists, tuples and dictionaries."""
    if isinstance(value, dict):
        return {name: _mapped(one, change) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_mapped(one, change) for one in value)
    return change(value) if isinstance(value, torch.Tensor) else value
