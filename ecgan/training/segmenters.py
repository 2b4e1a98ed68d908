r"""Fitting a small segmenter: a label generator for the losses, or a judge (chapter 06)."""

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from tqdm import tqdm

from ecgan.config import Config, ConfigError, Number
from ecgan.data.folders.batches import folder_samples
from ecgan.data.folders.conventions import FolderError
from ecgan.data.folders.dataset import FolderDataset
from ecgan.files.progress import quiet
from ecgan.method.layers import frozen
from ecgan.method.layouts import IGNORE
from ecgan.training.machine import best_device
from ecgan.training.signals import stop_signals

COUNTED = 200  # layouts looked at for the classes' weights
PAIR = ("image", "labels")
Pairs = Iterator[tuple[Tensor, Tensor]]


def jitter(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    r"""Random contrast, light, tint, blur and grain: a segmenter must read generated pictures."""
    one_each, device = (len(images), 1, 1, 1), images.device
    blurred = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
    images = torch.lerp(images, blurred, (torch.rand(one_each, device=device) - 0.4).clamp(min=0))
    contrast = 1 + 0.5 * (torch.rand(one_each, device=device) - 0.5)
    brightness = 0.3 * (torch.rand(one_each, device=device) - 0.5)
    tint = 0.12 * (torch.rand((len(images), 3, 1, 1), device=device) - 0.5)
    grain = 0.1 * torch.rand(one_each, device=device) * torch.randn_like(images)
    return images * contrast + brightness + tint + grain


def turned(
    images: Float[Tensor, "b 3 n n"], labels: Int[Tensor, "b n n"]
) -> tuple[Float[Tensor, "b 3 n n"], Int[Tensor, "b n n"]]:
    r"""Each square picture turned by a random number of quarters, and mirrored half of the time.

    For pictures without an up, such as those from above; labels go with them.
    """
    pairs = []
    for image, label in zip(images, labels, strict=True):
        quarters, mirror = torch.randint(4, ()).item(), torch.rand(()).item() < 0.5
        planes = [torch.rot90(plane, quarters, (-2, -1)) for plane in (image, label)]
        pairs.append([plane.flip(-1) for plane in planes] if mirror else planes)
    return tuple(torch.stack(planes) for planes in zip(*pairs, strict=True))


def class_weights(labels: Int[Tensor, "b h w"], *, classes: int) -> Float[Tensor, "k"]:
    r"""Rare classes weigh more: the root of all pixels over the class's [I]."""
    pixels = rearrange(labels, "b h w -> (b h w)")
    counts = torch.bincount(pixels[pixels != IGNORE], minlength=classes)
    return (counts.sum() / counts.clamp(min=1)).sqrt()


def fit_segmenter(
    network: nn.Module,
    pairs: Pairs,
    *,
    steps: int,
    rate: Number,
    weights: Float[Tensor, "k"],
    device: torch.device | str = "cpu",
) -> nn.Module:
    r"""Fit ``network`` to pairs of images and labels by cross-entropy; it comes back frozen [I].

    It is fitted on ``device``, and comes back on the CPU. The images are disturbed by
    :func:`jitter`, so that it also reads imperfect pictures. Asked to stop, by Ctrl-C, it comes
    back as it is.
    """
    network, weights = network.to(device), weights.to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    network.train()
    with stop_signals("stopping after this step; the segmenter is kept as it is") as asked:
        for _ in tqdm(range(steps), desc="segmenter", disable=quiet()):
            images, labels = (part.to(device) for part in next(pairs))
            scores = network(jitter(images))
            loss = F.cross_entropy(scores, labels, weight=weights, ignore_index=IGNORE)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            if asked.is_set():
                break
    return frozen(network).cpu()


def fit_on_folder(
    network: nn.Module,
    folder: str | Path,
    *,
    config: Config,
    steps: int,
    rate: Number = 4e-3,
    turns: bool = False,
    cpu: bool = False,
    device: torch.device | str | None = None,
) -> nn.Module:
    r"""Fit ``network`` to the training part of a folder, cut and flipped as for the generator.

    With ``turns`` pictures come in all directions, see :func:`turned`. On ``device``; without one,
    on the GPU if there is one, unless ``cpu``. It comes back on the CPU. Edges are no part of it,
    and are not computed. Raises :class:`ConfigError` for turns of pictures that are not square.
    """
    model = config.model
    if turns and model.height != model.width:
        raise ConfigError(
            f"turns are for square pictures; these are {model.width} x {model.height} pixels"
        )
    device = best_device(cpu=cpu) if device is None else device
    dataset = FolderDataset(folder, config=config)
    some = torch.linspace(0, len(dataset) - 1, min(COUNTED, len(dataset))).long().tolist()
    labels = torch.stack([dataset[index].labels for index in some])
    if (labels == IGNORE).all():
        raise FolderError(
            f"{folder}: every pixel of every layout is {IGNORE}, don't care: there is nothing to "
            f"learn from them; export them again"
        )
    pairs = (
        tuple(torch.stack([getattr(one, part) for one in samples]) for part in PAIR)
        for samples in folder_samples(dataset)
    )
    if turns:
        pairs = (turned(*pair) for pair in pairs)
    weights = class_weights(labels, classes=config.model.classes)
    return fit_segmenter(network, pairs, steps=steps, rate=rate, weights=weights, device=device)
