r"""Weights on disk: safetensors with the config inside, and the models shipped with the package."""

import json
import pickle
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ecgan.config import ModelConfig
from ecgan.errors import EcganError
from ecgan.files.whole import write_file
from ecgan.method.discriminator import Discriminator
from ecgan.method.generator import Generator
from ecgan.method.losses.pixel_contrast import ProjectionHead
from ecgan.readers.segmenter import DilatedJudge, UNet
from ecgan.weights.released import Released, ReleasedWeightsError, load_released, released_state

WEIGHTS = Path(__file__).parent
NETWORKS = {
    "Generator": lambda config: Generator(ModelConfig(**config)),
    "Discriminator": lambda config: Discriminator(ModelConfig(**config)),
    "UNet": lambda config: UNet(**config),
    "DilatedJudge": lambda config: DilatedJudge(**config),
    "ProjectionHead": lambda config: ProjectionHead(**config),
}

__all__ = [
    "CheckpointError",
    "Released",
    "ReleasedWeightsError",
    "load",
    "load_released",
    "read_state",
    "released_state",
    "save",
    "shipped",
]


class CheckpointError(EcganError):
    r"""A file that does not hold what was asked of it; the message names file and cure."""


def read_state(path: str | Path) -> dict[str, Tensor]:
    r"""A state dict from ``.safetensors``, or from ``.pth`` without running any code in it.

    Half precision is kept as it is; :func:`load_released` widens it. Raises
    :class:`CheckpointError` for a file that is missing, damaged, or holds anything but tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no file {path}; give a .safetensors or .pth file of weights")
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds more than tensors, and loading it could run code from whoever made it: "
            f"refused. Ask for a safetensors file, or for a plain state dict; if it should be one, "
            f"the file is damaged: fetch it again"
        ) from error
    except Exception as error:  # bytes that are no pickle at all fail in many ways
        raise CheckpointError(f"{path} is damaged or cut off ({error}); fetch it again") from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(
            f"{path} holds a {type(state).__name__}, not a plain state dict of names to tensors; "
            f"take the state dict out of it first"
        )
    return state


def as_bytes(
    network: nn.Module,
    *,
    config: dict | None = None,
    half: bool = False,
    notes: dict | None = None,
) -> bytes:
    r"""A network with its config as the content of a safetensors file; see :func:`save`."""
    kind = type(network).__name__
    own = getattr(network, "config", None)
    if config is None:
        config = asdict(own) if isinstance(own, ModelConfig) else own
    if kind not in NETWORKS or config is None:
        raise CheckpointError(f"cannot save a {kind}; known are {', '.join(NETWORKS)}")
    state = {
        name: (value.half() if half and value.is_floating_point() else value).cpu().contiguous()
        for name, value in network.state_dict().items()
    }
    header = {"kind": kind, "config": json.dumps(config), "notes": json.dumps(notes or {})}
    return safetensors.torch.save(state, metadata=header)


def save(
    path: str | Path,
    network: nn.Module,
    *,
    config: dict | None = None,
    half: bool = False,
    notes: dict | None = None,
) -> None:
    r"""Write a network with its config; ``half`` stores float16, ``notes`` go into the header.

    ``config`` is the network's own unless given. Raises :class:`ecgan.files.whole.RunError` where
    the file cannot be written; an older one is then still there.
    """
    write_file(path, as_bytes(network, config=config, half=half, notes=notes))


def _header(path: str | Path) -> dict[str, str]:
    r"""The text that a safetensors file carries; none in other files."""
    if not Path(path).is_file():
        raise CheckpointError(f"no file {path}; give a .safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError):
        return {}


def load(path: str | Path) -> nn.Module:
    r"""The network that :func:`save` wrote, in float32 and evaluation mode."""
    state, header = read_state(path), _header(path)
    if header.get("kind") not in NETWORKS:
        raise CheckpointError(
            f"{path} has no ecgan header; the authors' weights are read with "
            f"load_released(read_state(...), ...)"
        )
    try:
        network = NETWORKS[header["kind"]](json.loads(header["config"]))
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: no {header['kind']} can be built from its config {header['config']} "
            f"({error}); was the file made by another version?"
        ) from error
    ours = network.state_dict()
    for name, value in ours.items():
        if name not in state or state[name].shape != value.shape:
            found = tuple(state[name].shape) if name in state else "nothing"
            raise CheckpointError(
                f"{path}: entry {name} should have shape {tuple(value.shape)}, found {found}; "
                f"was the file made by another version?"
            )
        if value.is_floating_point() and not state[name].isfinite().all():
            raise CheckpointError(
                f"{path}: entry {name} holds NaN or infinity, so every picture would; the run that "
                f"made it went wrong: take an older file, or train again"
            )
    network.load_state_dict({name: state[name].to(value.dtype) for name, value in ours.items()})
    return network.eval()


def notes(path: str | Path) -> dict:
    r"""What :func:`save` wrote beside the weights: how they were trained."""
    return json.loads(_header(path).get("notes", "{}"))


def shipped(name: str) -> nn.Module:
    r"""A model that comes with the package, such as "toy" or "toy_segmenter", ready to use."""
    path = WEIGHTS / f"{name}.safetensors"
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in WEIGHTS.glob("*.safetensors")))
        raise CheckpointError(f"no shipped model {name!r}; there are: {there}")
    return load(path)
