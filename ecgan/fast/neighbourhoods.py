r"""Work once per distinct label neighbourhood, then gathered (chapter 03).

SPADE's gamma and beta at a pixel depend on nothing but the 5 x 5 labels around it: two 3 x 3
convolutions. Inside regions all neighbourhoods are alike, so few are distinct. And a convolution
over labels is no multiplication, but a sum of looked-up rows. The same numbers, less work [I].
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.autograd.function import once_differentiable

CACHED = 2**17  # values of a map that a processor's cache holds, with what is computed of them
WORTHWHILE = 0.5  # the share of distinct 3 x 3 blocks above which convolving everywhere is better


class SumOfRows(torch.autograd.Function):
    r"""Each result is a sum of some rows of a table; the gradient is one too, the other way round.

    Written out because both ways are then gathers; torch's own gradient scatters, which is many
    times slower on a CPU.
    """

    @staticmethod
    def forward(context, table: Tensor, rows: "Rows") -> Tensor:
        context.rows = rows
        return F.embedding_bag(rows.entries, table, mode="sum")

    @staticmethod
    @once_differentiable
    def backward(context, gradient: Tensor) -> tuple[Tensor, None]:
        results, starts = context.rows.turned
        return F.embedding_bag(results, gradient.contiguous(), starts, mode="sum"), None


@dataclass(frozen=True, kw_only=True)
class Rows:
    r"""Which ``m`` rows of a table of ``size`` rows make each result."""

    entries: Int[Tensor, "r m"]
    size: int

    def sum(self, table: Float[Tensor, "u d"]) -> Float[Tensor, "r d"]:
        r"""The results."""
        return SumOfRows.apply(table.contiguous(), self)

    @cached_property
    def turned(self) -> tuple[Int[Tensor, "n"], Int[Tensor, "u"]]:
        r"""The results that a row is part of, row after row, and where each row's begin."""
        entries = rearrange(self.entries, "r m -> (r m)")
        counts = torch.bincount(entries, minlength=self.size)
        results = torch.argsort(entries, stable=True) // self.entries.shape[1]
        return results, counts.cumsum(0) - counts


def grow(ids: Int[Tensor, "b h w"], count: int) -> tuple[Int[Tensor, "b h w"], int]:
    r"""Number the distinct 3 x 3 blocks of ids 0 to count - 1; outside the map counts as one id.

    First rows of three, then columns of three rows: exact, no hashing.
    """
    padded = F.pad(ids, (1, 1, 1, 1), value=count)
    rows, kinds = number(padded[:, :, :-2], padded[:, :, 1:-1], padded[:, :, 2:], base=count + 1)
    return number(rows[:, :-2], rows[:, 1:-1], rows[:, 2:], base=kinds)


def number(*digits: Int[Tensor, "b h w"], base: int) -> tuple[Int[Tensor, "b h w"], int]:
    r"""Number the distinct tuples of digits 0 to base - 1, and how many there are."""
    numbers, count = digits[0], base
    for digit in digits[1:]:  # numbered after each digit, so that nothing outgrows 64 bits
        numbers, count = renumber(numbers * base + digit, most=count * base)
    return numbers, count


def renumber(numbers: Int[Tensor, "b h w"], *, most: int) -> tuple[Int[Tensor, "b h w"], int]:
    r"""Numbers 0 to most - 1 that occur, numbered anew without gaps, and how many there are."""
    if most > 8 * numbers.numel():
        kinds, numbers = torch.unique(numbers, return_inverse=True)
        return numbers, len(kinds)
    occurs = torch.bincount(rearrange(numbers, "b h w -> (b h w)"), minlength=most) > 0
    return (occurs.cumsum(0) - 1)[numbers], int(occurs.sum())


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


def block_rows(blocks: Int[Tensor, "u 9"], *, vectors: int) -> Rows:
    r"""The rows of :func:`lookup`'s table that make up each block of ids 0 to vectors."""
    entries = 9 * blocks + torch.arange(9, device=blocks.device)
    return Rows(entries=entries, size=9 * (vectors + 1))


def lookup(
    vectors: Float[Tensor, "n c"], weight: Float[Tensor, "d c 3 3"], rows: Rows
) -> Float[Tensor, "u d"]:
    r"""A 3 x 3 convolution at chosen places, where every pixel is one of n vectors.

    Each vector is multiplied with each of the nine weights once; a place is a sum of nine entries.
    One more vector, zero, is what convolutions see outside the map.
    """
    table = F.pad(vectors, (0, 0, 0, 1)) @ rearrange(weight, "d c y x -> c (y x d)")
    return rows.sum(rearrange(table, "n (places d) -> (n places) d", places=9))


def in_chunks(pixels: Shaped[Tensor, "n c"], *others: Shaped[Tensor, "n *_"]) -> Iterator[tuple]:
    r"""Some rows of all at a time, so few that what is made of them never leaves the cache."""
    at_once = max(1, CACHED // pixels.shape[1])
    return zip(*(rows.split(at_once) for rows in (pixels, *others)), strict=True)


@dataclass(frozen=True, kw_only=True)
class Neighbourhoods:
    r"""What is distinct in a batch of layouts of one size.

    ``vectors`` are the distinct pixels; ``small`` makes the distinct 3 x 3 blocks from them,
    ``large`` the distinct 5 x 5 neighbourhoods from those; ``places_small`` and ``places_large``
    say which of them lies where.
    """

    vectors: Float[Tensor, "n s"]
    small: Rows
    large: Rows
    places_small: Rows
    places_large: Rows
    shape: tuple[int, int, int]

    def modulation(
        self, shared: torch.nn.Conv2d, modulation: torch.nn.Conv2d
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b c h w"]]:
        r"""The halves of ``modulation(relu(shared(layout)))``: 1 + gamma, and beta."""
        factor, beta = self.modulation_rows(shared, modulation)
        return self.spread(factor, self.places_large), self.spread(beta, self.places_large)

    def modulation_rows(
        self, shared: torch.nn.Conv2d, modulation: torch.nn.Conv2d
    ) -> tuple[Float[Tensor, "u c"], Float[Tensor, "u c"]]:
        r"""1 + gamma, and beta, once for each distinct neighbourhood."""
        hidden = F.relu(lookup(self.vectors, shared.weight, self.small) + shared.bias)
        both = lookup(hidden, modulation.weight, self.large) + modulation.bias
        gamma, beta = both.chunk(2, dim=1)
        return 1 + gamma, beta

    def scale_and_shift(
        self, x: Float[Tensor, "b c h w"], factor: Float[Tensor, "u c"], shift: Float[Tensor, "u c"]
    ) -> Float[Tensor, "b c h w"]:
        r"""``x * factor + shift``, each pixel with its neighbourhood's rows; without gradients."""
        b, h, w = self.shape
        pixels = rearrange(x, "b c h w -> (b h w) c")
        result = pixels.new_empty(pixels.shape, dtype=torch.result_type(x, factor))
        places = rearrange(self.places_large.entries, "n 1 -> n")
        for values, rows, out in in_chunks(pixels, places, result):
            factors, shifts = F.embedding(rows, factor), F.embedding(rows, shift)
            torch.addcmul(shifts, values.to(out.dtype), factors, out=out)
        return rearrange(result, "(b h w) c -> b c h w", b=b, h=h, w=w)

    def convolve(self, weight: Float[Tensor, "d s 3 3"]) -> Float[Tensor, "b d h w"]:
        r"""A 3 x 3 convolution of the layout."""
        return self.spread(lookup(self.vectors, weight, self.small), self.places_small)

    def spread(self, kinds: Float[Tensor, "u c"], places: Rows) -> Float[Tensor, "b c h w"]:
        r"""Each neighbourhood's vector at all its places."""
        b, h, w = self.shape
        return rearrange(places.sum(kinds), "(b h w) c -> b c h w", b=b, h=h, w=w)


@torch.no_grad()
def find(semantics: Float[Tensor, "b s h w"]) -> Neighbourhoods | None:
    r"""The distinct neighbourhoods; None where they do not pay or pixels are no labels.

    A pixel is a label if it is one-hot, with or without a last channel of 0 or 1 beside.
    """
    channels = torch.arange(semantics.shape[1], device=semantics.device, dtype=torch.float32)
    with torch.autocast(semantics.device.type, enabled=False):  # 16 bits do not hold the numbers
        codes = einsum(semantics.float(), channels, "b s h w, s -> b h w")
    most = 2 * semantics.shape[1]
    if not ((codes >= 0) & (codes < most)).all():
        return None
    cells, kinds = renumber(codes.long(), most=most)
    pixels = rearrange(semantics, "b s h w -> (b h w) s")
    vectors = pixels[members(cells, kinds)]
    if (vectors < 0).any():
        return None
    parts = in_chunks(pixels, rearrange(cells, "b h w -> (b h w)"))
    if not all(torch.equal(F.embedding(rows, vectors), some) for some, rows in parts):
        return None
    blocks, count = grow(cells, kinds)
    if count > WORTHWHILE * cells.numel():
        return None
    ids, distinct = grow(blocks, count)
    small = around(cells, members(blocks, count), outside=kinds)
    large = around(blocks, members(ids, distinct), outside=count)
    return Neighbourhoods(
        vectors=vectors,
        small=block_rows(small, vectors=kinds),
        large=block_rows(large, vectors=count),
        places_small=Rows(entries=rearrange(blocks, "b h w -> (b h w) 1"), size=count),
        places_large=Rows(entries=rearrange(ids, "b h w -> (b h w) 1"), size=distinct),
        shape=tuple(ids.shape),
    )
