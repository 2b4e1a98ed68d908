r"""Which pixels the contrastive loss looks at: class-balanced draws, memory bank (chapter 07).

All shapes are known before a pixel is looked at, so that a GPU is never asked how many there are:
what is too much carries the label ``ignore``.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor, nn

from ecgan.method.layouts import IGNORE
from ecgan.method.losses.finite import checks


class Samples(NamedTuple):
    r"""Pixels drawn from feature maps; those labelled ``ignore`` only fill up their number.

    ``layouts`` and ``pixels`` tell one layout, and one pixel of one scale, from any other, in all
    processes; -1 for what is remembered, which is of no layout and no pixel at hand.
    """

    embeddings: Float[Tensor, "n d"]
    labels: Int[Tensor, "n"]
    layouts: Int[Tensor, "n"]
    pixels: Int[Tensor, "n"]

    def counted(self, ignore: int = IGNORE) -> "Samples":
        r"""Without those that only fill up the number; how many are left, only the device knows."""
        kept = self.labels != ignore
        return Samples(*(field[kept] for field in self))


class Pool(NamedTuple):
    r"""Queries and keys, and which pairs may meet; ``fresh`` are the keys that are of this step."""

    queries: Samples
    keys: Samples
    allowed: Bool[Tensor, "n m"]
    fresh: Samples

    def compared(self) -> tuple[Tensor, ...]:
        r"""Embeddings and labels of both, as the loss takes them."""
        queries, keys = self.queries, self.keys
        return queries.embeddings, queries.labels, keys.embeddings, keys.labels


def join(parts: Sequence[Samples]) -> Samples:
    r"""Several sets of samples as one."""
    return parts[0] if len(parts) == 1 else Samples(*(torch.cat(field) for field in zip(*parts)))


class Draw(NamedTuple):
    r"""Places in "(b h w)"; those that are not ``valid`` only fill up the number."""

    pixels: Int[Tensor, "n"]
    valid: Bool[Tensor, "n"]

    @property
    def chosen(self) -> Int[Tensor, "_"]:
        r"""The valid places alone; how many, only the device knows."""
        return self.pixels[self.valid]


def rank_in_class(labels: Int[Tensor, "n"]) -> tuple[Int[Tensor, "n"], Int[Tensor, "n"]]:
    r"""For each sample: how many of its class come before it, and how many its class has."""
    labels = labels.contiguous()
    grouped, order = torch.sort(labels, stable=True)
    place = torch.empty_like(order).scatter(0, order, torch.arange(len(order), device=order.device))
    first, end = (torch.searchsorted(grouped, labels, right=right) for right in (False, True))
    return place - first, end - first


def sample_balanced(
    labels: Integer[Tensor, "b h w"],
    *,
    per_class: int | None,
    most: int | None = None,
    ignore: int = IGNORE,
    generator: torch.Generator | None = None,
) -> Draw:
    r"""Draw at most ``per_class`` pixels of each class, from all layouts at hand. [I], chapter 07.

    Uniform without replacement within a class; a class with fewer pixels gives all it has, so a
    class of a single pixel takes part; ``ignore`` never does. The pixels are dealt like cards, one
    a class in each round, until ``most`` have been dealt: so all classes take part where there are
    at most ``most``, and who gets a pixel of the last round is chance. The draw holds ``most``
    places, or as many as there are pixels; ``per_class=None`` takes every pixel not ignored.
    """
    if per_class is not None and per_class < 1:
        raise ValueError(f"per_class {per_class}: at least 1 pixel a class, or None for all.")
    flat = rearrange(labels, "b h w -> (b h w)").long()
    if per_class is None:
        return Draw(torch.arange(len(flat), device=flat.device), flat != ignore)
    device = flat.device if generator is None else generator.device
    shuffled = torch.randperm(len(flat), generator=generator, device=device).to(flat.device)
    shares = torch.rand(len(flat), generator=generator, device=device).to(flat.device)
    rank, _ = rank_in_class(flat[shuffled])
    counted = flat[shuffled] != ignore
    turn = torch.where(counted, rank, len(flat)) + shares
    dealt = turn.topk(min(most or len(flat), len(flat)), largest=False).indices
    return Draw(shuffled[dealt], (counted & (rank < per_class))[dealt])


class MemoryBank(nn.Module):
    r"""The last ``per_class`` embeddings of each class, from earlier batches: a ring per class. [I]

    Rare classes keep what they had until as many newer ones come. Entries are detached: they serve
    as keys only. The buffers are saved with the module, so that a resumed run sees the same keys.
    """

    def __init__(self, *, classes: int, per_class: int, dim: int, ignore: int = IGNORE) -> None:
        super().__init__()
        self.ignore = ignore
        self.register_buffer("embeddings", torch.zeros(classes, per_class, dim))
        self.register_buffer("filled", torch.zeros(classes, dtype=torch.long))
        self.register_buffer("position", torch.zeros(classes, dtype=torch.long))

    @torch.no_grad()
    def push(self, embeddings: Float[Tensor, "n d"], labels: Int[Tensor, "n"]) -> None:
        r"""Store samples, the newest over the oldest of their class, but not those ignored.

        Labels are ``ignore`` or 0 to classes - 1; others raise ``ValueError`` where inputs are
        checked.
        """
        classes, slots, _ = self.embeddings.shape
        labels, known = labels.long(), labels != self.ignore
        if checks() and (known & ((labels < 0) | (labels >= classes))).any():
            raise ValueError(
                f"memory bank: labels from {int(labels[known].min())} to "
                f"{int(labels[known].max())}, but the bank has {classes} classes (0 to "
                f"{classes - 1}); set `classes` of the loss."
            )
        rank, size = rank_in_class(labels)
        keep = known & (rank >= size - slots)  # one batch may hold more of a class than the ring
        own = torch.where(known, labels, 0)
        place = own * slots + (self.position[own] + rank) % slots
        rows = rearrange(self.embeddings, "k n d -> (k n) d")
        # What is not kept goes to one row more, which is thrown away.
        table = torch.cat([rows, rows[:1]])
        table[torch.where(keep, place, len(rows))] = embeddings.to(rows)
        self.embeddings.copy_(rearrange(table[:-1], "(k n) d -> k n d", k=classes))
        each = rearrange(torch.arange(classes, device=labels.device), "k -> k 1")
        counts = reduce(labels == each, "k n -> k", "sum")
        self.position.add_(counts).remainder_(slots)
        self.filled.add_(counts).clamp_(max=slots)

    def read(self) -> tuple[Float[Tensor, "n d"], Int[Tensor, "n"]]:
        r"""The embedding of every slot, and its label; ``ignore`` where nothing is stored yet."""
        classes, slots, _ = self.embeddings.shape
        columns = torch.arange(slots, device=self.filled.device)
        used = rearrange(columns, "n -> 1 n") < rearrange(self.filled, "k -> k 1")
        labels = repeat(torch.arange(classes, device=self.filled.device), "k -> k n", n=slots)
        labels = torch.where(used, labels, self.ignore)
        return (
            rearrange(self.embeddings, "k n d -> (k n) d").clone(),
            rearrange(labels, "k n -> (k n)"),
        )
