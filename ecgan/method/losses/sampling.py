r"""Which pixels the contrastive loss looks at: class-balanced draws, memory bank (chapter 07)."""

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int, Integer
from torch import Tensor, nn

from ecgan.method.layouts import IGNORE


def rank_in_class(labels: Int[Tensor, "n"]) -> tuple[Int[Tensor, "n"], Int[Tensor, "n"]]:
    r"""For each sample: how many of its class come before it, and how many its class has."""
    order = torch.argsort(labels, stable=True)
    _, inverse, counts = torch.unique_consecutive(
        labels[order], return_inverse=True, return_counts=True
    )
    starts = counts.cumsum(0) - counts
    rank, size = torch.empty_like(order), torch.empty_like(order)
    rank[order] = torch.arange(len(labels), device=labels.device) - starts[inverse]
    size[order] = counts[inverse]
    return rank, size


def sample_balanced(
    labels: Integer[Tensor, "b h w"],
    *,
    per_class: int | None,
    most: int | None = None,
    ignore: int = IGNORE,
    generator: torch.Generator | None = None,
) -> Int[Tensor, "n"]:
    r"""Draw at most ``per_class`` pixels of each class, from all layouts at hand. [I], chapter 07.

    Uniform without replacement within a class; a class with fewer pixels gives all it has, so a
    class of a single pixel takes part; ``ignore`` never does. ``most`` bounds the total by lowering
    ``per_class`` to an equal share (at least 1 a class, even if that exceeds ``most``).
    ``per_class=None`` takes every pixel that is not ignored. Returns indices into "(b h w)".
    """
    if per_class is not None and per_class < 1:
        raise ValueError(f"per_class {per_class}: at least 1 pixel a class, or None for all.")
    flat = rearrange(labels, "b h w -> (b h w)")
    if per_class is None:
        return torch.nonzero(flat != ignore, as_tuple=True)[0]
    device = labels.device if generator is None else generator.device
    order = torch.randperm(len(flat), generator=generator, device=device).to(labels.device)
    order = order[flat[order] != ignore]
    rank, _ = rank_in_class(flat[order])
    if most is not None:
        per_class = min(per_class, max(1, most // max(1, int((rank == 0).sum()))))
    return order[rank < per_class]


class MemoryBank(nn.Module):
    r"""The last ``per_class`` embeddings of each class, from earlier batches: a ring per class. [I]

    Rare classes keep what they had until as many newer ones come. Entries are detached: they serve
    as keys only. The buffers are saved with the module, so that a resumed run sees the same keys.
    """

    def __init__(self, *, classes: int, per_class: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("embeddings", torch.zeros(classes, per_class, dim))
        self.register_buffer("filled", torch.zeros(classes, dtype=torch.long))
        self.register_buffer("position", torch.zeros(classes, dtype=torch.long))

    @torch.no_grad()
    def push(self, embeddings: Float[Tensor, "n d"], labels: Int[Tensor, "n"]) -> None:
        r"""Store samples, the newest over the oldest of their class; all labels in 0..classes-1."""
        classes, slots, _ = self.embeddings.shape
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
            raise ValueError(
                f"memory bank: labels from {int(labels.min())} to {int(labels.max())}, but the "
                f"bank has {classes} classes (0 to {classes - 1}); set `classes` of the loss."
            )
        labels = labels.long()
        rank, size = rank_in_class(labels)
        keep = rank >= size - slots  # one batch may hold more of a class than the ring
        slot = (self.position[labels] + rank) % slots
        self.embeddings[labels[keep], slot[keep]] = embeddings[keep].to(self.embeddings)
        counts = torch.bincount(labels, minlength=classes)
        self.position.add_(counts).remainder_(slots)
        self.filled.add_(counts).clamp_(max=slots)

    def read(self) -> tuple[Float[Tensor, "n d"], Int[Tensor, "n"]]:
        r"""All stored embeddings and their labels."""
        classes, slots, _ = self.embeddings.shape
        columns = torch.arange(slots, device=self.filled.device)
        used = rearrange(columns, "n -> 1 n") < rearrange(self.filled, "k -> k 1")
        labels = repeat(torch.arange(classes, device=self.filled.device), "k -> k n", n=slots)
        return self.embeddings[used].clone(), labels[used]
