r"""A device that pretends: its tensors hold CPU tensors, and refuse to meet any others.

What runs on it leaves no tensor on the CPU by mistake, and so would run on a GPU. Stops in which
the processor would have to wait for a number of the device's are counted. After :func:`install`
``torch.device("pretend")`` is a device like another; it computes with the CPU's kernels.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pytest
import torch
from torch.utils import _pytree as tree

from support.questions import asks

NAME = "pretend"
aten = torch.ops.aten
# What moves values from one device to another; all else takes tensors of one device only.
MOVES = {aten.copy_.default, aten._copy_from.default, aten._to_copy.default}
asked: Counter[str] = Counter()
brought: Counter[str] = Counter()


class MixedDevices(RuntimeError):
    r"""Tensors of the CPU and of the pretend device in one operation."""


class PretendTensor(torch.Tensor):
    r"""A tensor of the pretend device; ``held`` is the CPU tensor that computes for it."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor, requires_grad: bool = False):
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device(NAME, 0),
            requires_grad=requires_grad,
        )
        made.held = held
        return made

    def __repr__(self) -> str:
        return f"pretend({self.held})"

    def tolist(self) -> list:
        return self.cpu().tolist()

    def __deepcopy__(self, memo: dict) -> "PretendTensor":
        if id(self) not in memo:
            with torch.no_grad():
                copy = self.detach().clone()
            if isinstance(self, torch.nn.Parameter):
                copy = torch.nn.Parameter(copy, requires_grad=self.requires_grad)
            memo[id(self)] = copy
        return memo[id(self)]

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        device = kwargs.get("device")
        if device is not None and torch.device(device).type == NAME:
            kwargs["device"] = torch.device("cpu")
        away = device is not None and torch.device(device).type != NAME
        tensors = [leaf for leaf in tree.tree_leaves((args, kwargs)) if torch.is_tensor(leaf)]
        _refuse_mixtures(func, tensors)
        _count(func, args, away)
        known = {id(t.held): t for t in tensors if isinstance(t, PretendTensor)}
        inner_args, inner_kwargs = tree.tree_map_only(PretendTensor, _held, (args, kwargs))
        if func is aten._copy_from.default:
            return _copy_from(*args)
        result = func(*inner_args, **inner_kwargs)
        if away or (func is aten.copy_.default and not isinstance(args[0], PretendTensor)):
            return result

        def wrap(value: torch.Tensor) -> PretendTensor:
            made = known[id(value)] if id(value) in known else PretendTensor(value)
            if made.shape != value.shape:
                raise NotImplementedError(f"{func} changes the shape of a tensor in its place")
            return made

        return tree.tree_map_only(torch.Tensor, wrap, result)


def _held(tensor: PretendTensor) -> torch.Tensor:
    return tensor.held


def _refuse_mixtures(func, tensors: list[torch.Tensor]) -> None:
    r"""As a GPU does: only single numbers may come from the CPU."""
    strangers = [t for t in tensors if not isinstance(t, PretendTensor) and t.ndim]
    if strangers and func not in MOVES:
        raise MixedDevices(
            f"{func} meets a tensor of the CPU, of shape {tuple(strangers[0].shape)}, beside those "
            f"of the device"
        )


def _count(func, args: tuple, away: bool) -> None:
    r"""Count what would let the processor wait for the device."""
    name = func._schema.name.removeprefix("aten::")
    to_cpu = func is aten.copy_.default and not isinstance(args[0], PretendTensor)
    if asks(name, args) or away or to_cpu:
        asked[name] += 1
    if func is aten.copy_.default and not isinstance(args[1], PretendTensor):
        brought[name] += 1


def _copy_from(source: torch.Tensor, to: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
    if isinstance(to, PretendTensor) and not isinstance(source, PretendTensor):
        brought["_copy_from"] += 1
    inner = [t.held if isinstance(t, PretendTensor) else t for t in (source, to)]
    inner[1].copy_(inner[0])
    return to


def _factories() -> Iterator[tuple[str, torch._ops.OpOverload]]:
    r"""Operations that make a tensor from none: all take a device, and return one tensor."""
    for whole in torch._C._dispatch_get_all_op_names():
        name, _, overload = whole.removeprefix("aten::").partition(".")
        packet = getattr(aten, name, None) if whole.startswith("aten::") else None
        operation = getattr(packet, overload or "default", None)
        if operation is None:
            continue
        kinds = [str(argument.type) for argument in operation._schema.arguments]
        named = {argument.name for argument in operation._schema.arguments}
        makes = [str(value.type) for value in operation._schema.returns] == ["Tensor"]
        if makes and "device" in named and not any("Tensor" in kind for kind in kinds):
            yield f"{name}.{overload}" if overload else name, operation


def _make_by(operation: torch._ops.OpOverload):
    def make(*args, **kwargs) -> PretendTensor:
        return PretendTensor(operation(*args, **kwargs | {"device": torch.device("cpu")}))

    return make


class _Module:
    r"""What torch asks of the module behind a name: one device, the CPU's random numbers."""

    device_count = staticmethod(lambda: 1)
    current_device = staticmethod(lambda: 0)
    is_available = is_initialized = staticmethod(lambda: True)
    _is_in_bad_fork = staticmethod(lambda: False)
    manual_seed_all = staticmethod(lambda seed: None)  # torch's own generator was seeded already
    get_amp_supported_dtype = staticmethod(lambda: [torch.float16, torch.bfloat16])
    get_rng_state = staticmethod(lambda *_: torch.get_rng_state())
    set_rng_state = staticmethod(lambda state, *_: torch.set_rng_state(state))
    device = staticmethod(lambda *_: nullcontext())
    synchronize = staticmethod(lambda *_: None)


_libraries: list[torch.library.Library] = []


def install() -> None:
    r"""Let torch know the device; once a process, and for good. Skips where torch is too old."""
    if _libraries:
        return
    registration = torch.utils.backend_registration
    if not hasattr(registration, "_setup_privateuseone_for_python_backend"):
        pytest.skip(f"torch {torch.__version__} takes no device that is written in Python")
    registration._setup_privateuseone_for_python_backend(NAME, backend_module=_Module())
    own = torch.library.Library("aten", "IMPL")
    for name, operation in _factories():
        own.impl(name, _make_by(operation), "PrivateUse1")
    own.impl("_copy_from", _copy_from, "PrivateUse1")
    all_else = torch.library.Library("_", "IMPL")
    all_else.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    _libraries.extend([own, all_else])


@contextmanager
def _more(counted: Counter[str]) -> Iterator[Counter[str]]:
    before, found = Counter(counted), Counter()
    yield found
    found.update(counted - before)


def questions() -> AbstractContextManager[Counter[str]]:
    r"""The stops of what runs inside, by the operation that asks."""
    return _more(asked)


def deliveries() -> AbstractContextManager[Counter[str]]:
    r"""What runs inside and brings values from the CPU, which a recorded graph cannot do."""
    return _more(brought)
