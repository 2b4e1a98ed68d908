r"""VGG-19 up to relu5_1 and its published ImageNet weights, checked by hash (chapter 08)."""

import hashlib
import logging
import os
from pathlib import Path
from pickle import UnpicklingError

import pooch
import torch
from jaxtyping import Float
from torch import Tensor, nn

URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
SHA256_PREFIX = "dcbb9e9d"  # the part of the hash that torchvision publishes, in the file's name
VARIABLE = "ECGAN_VGG19"
# Channels of the 3x3 convolutions; "pool" is a 2x2 maximum. Only as far as relu5_1.
LAYERS = (
    64, 64, "pool", 128, 128, "pool", 256, 256, 256, 256, "pool", 512, 512, 512, 512, "pool", 512,
)  # fmt: skip
SLICES = (1, 6, 11, 20, 29)  # relu1_1, relu2_1, relu3_1, relu4_1, relu5_1


class WeightsUnavailable(ValueError):
    r"""VGG-19's weights cannot be had, or are not the published ones."""


class VGG19(nn.Module):
    r"""Images "b 3 h w" to [relu1_1, relu2_1, relu3_1, relu4_1, relu5_1]. [R]

    The keys are torchvision's (``features.0.weight``, ...), so that its published weights load. The
    released code feeds images as they are, in [-1, 1], without ImageNet's mean and deviation.
    """

    def __init__(self) -> None:
        super().__init__()
        layers, channels = [], 3
        for layer in LAYERS:
            if layer == "pool":
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(channels, layer, 3, padding=1), nn.ReLU(inplace=True)]
                channels = layer
        self.features = nn.Sequential(*layers)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        slices = []
        for index, layer in enumerate(self.features):
            images = layer(images)
            if index in SLICES:
                slices.append(images)
        return slices


def sha256(path: Path) -> str:
    r"""The file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse(reason: str, url: str = URL) -> WeightsUnavailable:
    r"""The error for ``reason``, with the three ways out."""
    return WeightsUnavailable(
        f"perceptual loss: {reason}. Either download {url} on a machine that can, and set "
        f"{VARIABLE}=/path/to/the/file; or switch the loss off (weight 0); or, for the toy world, "
        "let the toy segmenter's features take VGG-19's place."
    )


def fetch_weights(
    *, url: str = URL, sha256_prefix: str = SHA256_PREFIX, folder: str | Path | None = None
) -> Path:
    r"""The path of the weights: the file ``ECGAN_VGG19`` names, else the cache, else a download.

    A file is used only if its SHA-256 starts with ``sha256_prefix`` (all that is published of it).
    A download arrives under another name, is checked, and only then takes its place in ``folder``
    (default: pooch's cache folder for ecgan). Raises ``WeightsUnavailable``.
    """
    if given := os.environ.get(VARIABLE):
        if not Path(given).is_file():
            raise refuse(f"{VARIABLE} is set to {given}, where there is no file", url)
        if not (found := sha256(Path(given))).startswith(sha256_prefix):
            raise refuse(
                f"{given} (from {VARIABLE}) has SHA-256 {found[:16]}..., expected "
                f"{sha256_prefix}...; it is damaged or another file", url,
            )  # fmt: skip
        return Path(given)
    folder = Path(folder or pooch.os_cache("ecgan"))
    path = folder / url.rsplit("/", 1)[-1]
    if path.is_file() and sha256(path).startswith(sha256_prefix):
        return path
    arrived = path.with_name(path.name + ".unchecked")
    arrived.unlink(missing_ok=True)
    logger, level = pooch.get_logger(), pooch.get_logger().level
    logger.setLevel(logging.WARNING)  # it would advise to pin the hash of whatever came
    try:
        pooch.retrieve(url, known_hash=None, fname=arrived.name, path=folder)
    except OSError as error:
        raise refuse(f"{url} cannot be downloaded ({type(error).__name__})", url) from error
    finally:
        logger.setLevel(level)
    if not (found := sha256(arrived)).startswith(sha256_prefix):
        arrived.unlink()
        raise refuse(
            f"what came from {url} has SHA-256 {found[:16]}..., expected {sha256_prefix}...; "
            "it was deleted", url,
        )  # fmt: skip
    return arrived.replace(path)


def load_vgg19(path: str | Path) -> VGG19:
    r"""VGG-19 from a state dict with torchvision's keys; layers beyond relu5_1 are left out."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise refuse(
            f"{path} is no plain state dict (it may hold code, not only tensors)"
        ) from error
    vgg = VGG19()
    if missing := sorted(set(vgg.state_dict()) - set(state)):
        raise WeightsUnavailable(
            f"perceptual loss: {path} lacks {', '.join(missing[:3])}{' ...' * (len(missing) > 3)}; "
            f"needed are torchvision's VGG-19 keys, as in {URL}."
        )
    vgg.load_state_dict({name: state[name] for name in vgg.state_dict()})
    return vgg


def published_vgg19(
    *, url: str = URL, sha256_prefix: str = SHA256_PREFIX, folder: str | Path | None = None
) -> VGG19:
    r"""VGG-19 with its ImageNet weights (575 MB, downloaded once)."""
    return load_vgg19(fetch_weights(url=url, sha256_prefix=sha256_prefix, folder=folder))
