r"""Fitting a small segmenter: a label generator for the losses, or a judge (chapter 06)."""

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from tqdm import tqdm

from ecgan.config import Config, Number
from ecgan.data.folders.batches import folder_batches
from ecgan.data.folders.dataset import FolderDataset
from ecgan.files.progress import quiet
from ecgan.method.layers import frozen
from ecgan.method.layouts import IGNORE

COUNTED = 200  # layouts looked at for the classes' weights
Pairs = Iterator[tuple[Tensor, Tensor]]


def jitter(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    r"""Random brightness, contrast and grain, so that a segmenter also reads generated pictures."""
    one_each, device = (len(images), 1, 1, 1), images.device
    contrast = 1 + 0.3 * (torch.rand(one_each, device=device) - 0.5)
    brightness = 0.3 * (torch.rand(one_each, device=device) - 0.5)
    grain = 0.1 * torch.rand(one_each, device=device) * torch.randn_like(images)
    return images * contrast + brightness + grain


def class_weights(labels: Int[Tensor, "b h w"], *, classes: int) -> Float[Tensor, "k"]:
    r"""Rare classes weigh more: the root of all pixels over the class's [I]."""
    pixels = rearrange(labels, "b h w -> (b h w)")
    counts = torch.bincount(pixels[pixels != IGNORE], minlength=classes)
    return (counts.sum() / counts.clamp(min=1)).sqrt()


def fit_segmenter(
    network: nn.Module, pairs: Pairs, *, steps: int, rate: Number, weights: Float[Tensor, "k"]
) -> nn.Module:
    r"""Fit ``network`` to pairs of images and labels by cross-entropy; it comes back frozen [I].

    A little noise and contrast jitter on the images, so that it also reads imperfect pictures.
    """
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    network.train()
    for _ in tqdm(range(steps), desc="segmenter", disable=quiet()):
        images, labels = next(pairs)
        scores = network(jitter(images))
        loss = F.cross_entropy(scores, labels, weight=weights, ignore_index=IGNORE)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return frozen(network)


def fit_on_folder(
    network: nn.Module,
    folder: str | Path,
    *,
    config: Config,
    steps: int,
    rate: Number = 4e-3,
    cpu: bool = False,
) -> nn.Module:
    r"""Fit ``network`` to the training part of a folder, cut and flipped as for the generator.

    On the GPU if there is one, unless ``cpu``; it comes back on the CPU.
    """
    device = "cuda" if torch.cuda.is_available() and not cpu else "cpu"
    dataset = FolderDataset(folder, config=config)
    some = torch.linspace(0, len(dataset) - 1, min(COUNTED, len(dataset))).long().tolist()
    labels = torch.stack([dataset[index].labels for index in some])
    batches = folder_batches(dataset, device=device)
    pairs = ((batch.images, batch.labels) for batch in batches)
    weights = class_weights(labels, classes=config.model.classes).to(device)
    network = network.to(device)
    return fit_segmenter(network, pairs, steps=steps, rate=rate, weights=weights).cpu()
