r"""The contrastive loss of a batch in several processes, each of which holds its share.

Started by ``torch.multiprocessing``; each process saves its loss and its head's gradients.
"""

from pathlib import Path

import torch
from torch import distributed

from ecgan.method.losses.pixel_contrast import PixelContrast
from ecgan.training.together import stacked

WAYS = {
    "all pixels": {},
    "memory": {"memory_per_class": 3, "classes": 4},
    "groups of two": {"together": 2},
    "across scales": {"cross_scale": True, "channels": [5, 5]},
    "scales apart": {"channels": [5, 5]},
}


def whole_batch() -> tuple[torch.Tensor, torch.Tensor]:
    r"""Four layouts; the first two hold more that is ignored, so that the shares differ."""
    dice = torch.Generator().manual_seed(7)
    features = torch.randn(4, 5, 6, 4, generator=dice, dtype=torch.float64)
    labels = torch.randint(4, (4, 6, 4), generator=dice)
    labels[:2, :3] = 255
    labels[3] = labels[3].clamp(max=1)
    return features, labels


def losses(way: str, share: slice, **settings) -> tuple[list[torch.Tensor], PixelContrast]:
    r"""The losses of two steps on ``share`` of the batch, and the module with their gradients."""
    torch.manual_seed(3)
    given = {"channels": 5, "dim": 3, "per_class": None} | WAYS[way] | settings
    contrast = PixelContrast(**given).double()
    features, labels = (part[share] for part in whole_batch())
    maps = features if given["channels"] == 5 else [features[:, :, ::2, ::2], features]
    found = [contrast(maps, labels) for _ in range(2)]
    sum(found).backward()
    return [loss.detach() for loss in found], contrast


def main(rank: int, processes: int, folder: Path) -> None:
    r"""One process of several."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=processes
    )
    size = 4 // processes
    found = {}
    for way in WAYS:
        values, contrast = losses(
            way, slice(rank * size, (rank + 1) * size), gather=stacked, rank=rank
        )
        gradients = [parameter.grad for parameter in contrast.parameters()]
        found[way] = (values, gradients, contrast.state_dict())
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()
