r"""SPADE's modulation once per distinct label neighbourhood, then gathered (chapter 03).

Gamma and beta at a pixel depend on nothing but the 5 x 5 labels around it: two 3 x 3 convolutions.
Inside regions all neighbourhoods are alike, so few are distinct. The same numbers, less work [I].
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from jaxtyping import Float, Int
from torch import Tensor

WORTHWHILE = 0.25


def grow(ids: Int[Tensor, "b h w"], count: int) -> tuple[Int[Tensor, "b h w"], int]:
    r"""Number the distinct 3 x 3 blocks of ids 0 to count - 1; outside the map counts as one id.

    First rows of three, then columns of three rows: exact, no hashing.
    """
    padded = F.pad(ids, (1, 1, 1, 1), value=count)
    base = count + 1
    rows = (padded[:, :, :-2] * base + padded[:, :, 1:-1]) * base + padded[:, :, 2:]
    kinds, rows = torch.unique(rows, return_inverse=True)
    base = len(kinds)
    blocks = (rows[:, :-2] * base + rows[:, 1:-1]) * base + rows[:, 2:]
    kinds, blocks = torch.unique(blocks, return_inverse=True)
    return blocks, len(kinds)


def members(ids: Int[Tensor, "b h w"], count: int) -> Int[Tensor, "u"]:
    r"""For each id the place, in "(b h w)", of one pixel that has it."""
    flat = rearrange(ids, "b h w -> (b h w)")
    places = torch.zeros(count, dtype=torch.long, device=ids.device)
    places[flat] = torch.arange(len(flat), device=ids.device)
    return places


def around(
    ids: Int[Tensor, "b h w"], places: Int[Tensor, "u"], *, outside: int
) -> Int[Tensor, "u 9"]:
    r"""The ids of the 3 x 3 block around each place, row by row."""
    padded = F.pad(ids, (1, 1, 1, 1), value=outside)
    layout, row, column = torch.unravel_index(places, ids.shape)
    blocks = [padded[layout, row + y, column + x] for y in range(3) for x in range(3)]
    return torch.stack(blocks, dim=1)


def lookup(
    vectors: Float[Tensor, "n c"], weight: Float[Tensor, "d c 3 3"], blocks: Int[Tensor, "u 9"]
) -> Float[Tensor, "u d"]:
    r"""A 3 x 3 convolution at chosen places, where every pixel is one of n vectors.

    Each vector is multiplied with each of the nine weights once; a place is a sum of nine entries.
    """
    table = einsum(vectors, weight, "n c, d c y x -> y x n d")
    entries = blocks + torch.arange(9, device=blocks.device) * len(vectors)
    return F.embedding_bag(entries, rearrange(table, "y x n d -> (y x n) d"), mode="sum")


def with_outside(vectors: Float[Tensor, "n c"]) -> Float[Tensor, "n_and_one c"]:
    r"""One more vector, zero: what convolutions see outside the map."""
    return F.pad(vectors, (0, 0, 0, 1))


@dataclass(frozen=True, kw_only=True)
class Neighbourhoods:
    r"""What is distinct in a batch of layouts of one size.

    ``vectors`` are the distinct pixels; ``small`` the 3 x 3 blocks of them, ``large`` the 3 x 3
    blocks of small blocks, that is the distinct 5 x 5 neighbourhoods; ``ids`` says which of them
    lies around each pixel.
    """

    vectors: Float[Tensor, "n s"]
    small: Int[Tensor, "u3 9"]
    large: Int[Tensor, "u5 9"]
    ids: Int[Tensor, "b h w"]

    @property
    def share(self) -> float:
        r"""Distinct 3 x 3 blocks over pixels: what the convolutions are still computed for."""
        return len(self.small) / self.ids.numel()

    def modulate(
        self, shared: torch.nn.Conv2d, modulation: torch.nn.Conv2d
    ) -> Float[Tensor, "b c h w"]:
        r"""``modulation(relu(shared(layout)))``, equal to the dense convolutions."""
        vectors = with_outside(self.vectors)
        hidden = F.relu(lookup(vectors, shared.weight, self.small) + shared.bias)
        result = lookup(with_outside(hidden), modulation.weight, self.large) + modulation.bias
        return rearrange(F.embedding(self.ids, result), "b h w c -> b c h w")


@torch.no_grad()
def find(semantics: Float[Tensor, "b s h w"]) -> Neighbourhoods | None:
    r"""The distinct neighbourhoods; None where they do not pay or pixels are no labels.

    A pixel is a label if it is one-hot, with or without a last channel of 0 or 1 beside.
    """
    channels = torch.arange(semantics.shape[1], device=semantics.device, dtype=torch.float32)
    codes = einsum(semantics.float(), channels, "b s h w, s -> b h w")
    kinds, cells = torch.unique(codes, return_inverse=True)
    if len(kinds) > 2 * semantics.shape[1]:
        return None
    pixels = rearrange(semantics, "b s h w -> (b h w) s")
    vectors = pixels[members(cells, len(kinds))]
    if not torch.equal(rearrange(F.embedding(cells, vectors), "b h w s -> (b h w) s"), pixels):
        return None
    blocks, count = grow(cells, len(kinds))
    if count > WORTHWHILE * cells.numel():
        return None
    ids, large = grow(blocks, count)
    return Neighbourhoods(
        vectors=vectors,
        small=around(cells, members(blocks, count), outside=len(kinds)),
        large=around(blocks, members(ids, large), outside=count),
        ids=ids,
    )
