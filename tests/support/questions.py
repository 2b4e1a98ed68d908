r"""Counts how often a computation asks the device for a number, and so has to wait for it."""

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# What a GPU cannot answer before it has done all that was asked of it: values, and shapes that
# depend on values.
ASKING = {
    "_local_scalar_dense", "nonzero", "masked_select", "_unique", "_unique2", "unique_dim",
    "unique_consecutive", "unique_dim_consecutive", "bincount", "equal", "is_nonzero", "histc",
    "argwhere", "masked_scatter", "repeat_interleave",
}  # fmt: skip
INDEXING = {"index", "index_put", "index_put_", "_unsafe_index", "_index_put_impl_"}
READING = {"tolist", "numpy", "__array__", "cpu"}  # done without an operation on a CPU


class Questions:
    r"""A context; ``asked`` then holds the name of each operation that asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._modes = (_Operations(self.asked), _Reading(self.asked))

    def __enter__(self) -> "Questions":
        for mode in self._modes:
            mode.__enter__()
        return self

    def __exit__(self, *error) -> None:
        for mode in reversed(self._modes):
            mode.__exit__(*error)


class _Operations(TorchDispatchMode):
    def __init__(self, asked: list[str]) -> None:
        super().__init__()
        self.asked = asked

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix("aten::")
        if asks(name, args):
            self.asked.append(name)
        return func(*args, **(kwargs or {}))


def asks(name: str, args: tuple) -> bool:
    r"""Whether an operation of this name cannot be done before the device has told a number."""
    by_mask = name in INDEXING and any(
        isinstance(it, Tensor) and it.dtype in (torch.bool, torch.uint8) for it in args[1]
    )
    return by_mask or name in ASKING


class _Reading(TorchFunctionMode):
    def __init__(self, asked: list[str]) -> None:
        super().__init__()
        self.asked = asked

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name in READING:
            self.asked.append(name)
        return func(*args, **(kwargs or {}))
