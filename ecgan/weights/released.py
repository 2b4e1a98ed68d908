r"""The authors' weights in and out: their state-dict names against ours (chapter 03, fidelity)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from ecgan.config import ModelConfig
from ecgan.errors import EcganError
from ecgan.method.discriminator import Discriminator
from ecgan.method.generator import Generator

# Our name on the left, theirs on the right; the first that matches is taken.
NAMES = (
    (r"^encoder\.entry\.", "fc."),
    (r"^encoder\.blocks\.0\.", "head_0."),
    (r"^encoder\.blocks\.([12])\.", lambda m: f"G_middle_{int(m[1]) - 1}."),
    (r"^encoder\.blocks\.(\d)\.", lambda m: f"up_{int(m[1]) - 3}."),
    (r"^image_generator\.hidden\.(\d)\.", lambda m: f"conv_img{int(m[1]) + 1}."),
    (r"^image_generator\.last\.", "conv_img4."),
    (r"^edge_generator\.hidden\.(\d)\.", lambda m: f"conv_edge{int(m[1]) + 1}."),
    (r"^edge_generator\.last\.", "conv_edge4."),
    (r"^semantic_preserving\.to_classes\.", "conv_comb1."),
    (r"^semantic_preserving\.from_classes\.", "conv_comb2."),
    (r"^semantic_preserving\.to_image\.", "conv_comb."),
    (r"^scales\.(\d)\.entry\.", r"discriminator_\1.model0.0."),
    (r"^scales\.(\d)\.middle\.(\d)\.", lambda m: f"discriminator_{m[1]}.model{int(m[2]) + 1}.0.0."),
    (r"^scales\.(\d)\.score\.", r"discriminator_\1.model4.0."),
)
SUFFIXES = (
    ("parametrizations.weight.original", "weight_orig"),
    ("parametrizations.weight.0._u", "weight_u"),
    ("parametrizations.weight.0._v", "weight_v"),
    (".normalise.", ".param_free_norm."),
    (".shared.", ".mlp_shared.0."),
)
TRUNK = ("fc.", "head_0.", "G_middle_", "up_")
SPADE_IMAGE = "conv_img."

State = Mapping[str, Tensor | np.ndarray]


class ReleasedWeightsError(EcganError):
    r"""A state dict that does not fit the config; the message names the entry."""


@dataclass(frozen=True, kw_only=True)
class Released:
    r"""Loaded networks, in evaluation mode; unpacks to ``generator, discriminator``.

    ``dead`` are entries of the files that no computation uses, such as ``fc1``; ``fresh`` are
    our entries that the files do not hold and that keep their random start.
    """

    generator: Generator
    discriminator: Discriminator
    dead: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)

    def __iter__(self):
        return iter((self.generator, self.discriminator))


def released_name(name: str) -> tuple[str, ...]:
    r"""Their name of our entry; two names, gamma's and beta's, for SPADE's joint convolution."""
    for pattern, theirs in NAMES:
        renamed, count = re.subn(pattern, theirs, name)
        if count:
            break
    else:
        raise KeyError(name)
    for ours, theirs in SUFFIXES:
        renamed = renamed.replace(ours, theirs)
    if ".modulation." in renamed:
        return tuple(renamed.replace("modulation", f"mlp_{part}") for part in ("gamma", "beta"))
    return (renamed,)


def _plain(state: State, prefix: str) -> dict[str, Tensor]:
    r"""Float32 tensors under bare names; wrappers' prefixes stripped, half precision widened."""
    plain = {}
    for name, value in state.items():
        tensor = torch.as_tensor(value)
        bare = name.removeprefix("module.").removeprefix(prefix)
        plain[bare] = tensor.float() if tensor.is_floating_point() else tensor
    return plain


def _fill(
    network: nn.Module, state: dict[str, Tensor], *, what: str, optional: tuple[str, ...] = ()
) -> tuple[list[str], list[str]]:
    r"""Load ``state`` into ``network``; return the dead and the fresh entries.

    ``optional`` are beginnings of our names that may stay fresh.
    """
    ours, used, fresh, missing = network.state_dict(), set(), [], []
    for name, current in ours.items():
        theirs = released_name(name)
        absent = [entry for entry in theirs if entry not in state]
        if absent:
            if name.startswith(optional) or name.endswith("num_batches_tracked"):
                fresh.append(name)
            else:
                missing += absent
            continue
        value = (
            torch.cat([state[entry] for entry in theirs]) if len(theirs) > 1 else state[theirs[0]]
        )
        if value.shape != current.shape:
            raise ReleasedWeightsError(
                f"{what} entry {' + '.join(theirs)} has shape {tuple(value.shape)}, this config "
                f"needs {tuple(current.shape)}: check classes, dont_care, instance_boundaries, "
                f"base_channels, spade_hidden and upsampling"
            )
        ours[name] = value
        used.update(theirs)
    if missing:
        shown = ", ".join(missing[:5]) + (
            f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        )
        raise ReleasedWeightsError(
            f"the {what} state dict lacks {shown}; is it the right file, and does the config's "
            f"upsampling ({network.config.upsampling!r}) match?"
        )
    network.load_state_dict(ours)
    return sorted(set(state) - used), fresh


def load_released(
    generator_state: State, discriminator_state: State | None, *, config: ModelConfig
) -> Released:
    r"""Networks with the authors' weights, in evaluation mode; parity is tested to 1e-4 [R].

    State dicts hold tensors or arrays under the authors' names, with or without the prefixes
    ``G.``, ``D.``, ``module.``. A published SPADE generator fits too: its trunk is loaded, its
    ``conv_img`` has no home here, and the branches stay fresh. ``discriminator_state`` may be
    None: a fresh discriminator. Raises :class:`ReleasedWeightsError` naming missing entries and
    entries of another shape.
    """
    generator, discriminator = Generator(config).eval(), Discriminator(config).eval()
    state = _plain(generator_state, "G.")
    spade = any(name.startswith(SPADE_IMAGE) for name in state)
    optional = ("image_generator.", "edge_generator.", "semantic_preserving.") if spade else ()
    dead, fresh = _fill(generator, state, what="generator", optional=optional)
    if discriminator_state is None:
        fresh += list(discriminator.state_dict())
    else:
        more_dead, more_fresh = _fill(
            discriminator, _plain(discriminator_state, "D."), what="discriminator"
        )
        dead, fresh = dead + more_dead, fresh + more_fresh
    return Released(generator=generator, discriminator=discriminator, dead=dead, fresh=fresh)


def released_state(network: Generator | Discriminator) -> dict[str, Tensor]:
    r"""Our weights under the authors' names; the way back of :func:`load_released`."""
    state = {}
    for name, value in network.state_dict().items():
        theirs = released_name(name)
        parts = value.chunk(2) if len(theirs) > 1 else (value,)
        state.update({entry: part.clone() for entry, part in zip(theirs, parts, strict=True)})
    return state
