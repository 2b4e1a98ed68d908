r"""The contrastive loss on feature maps: several layouts, several scales, a memory (chapter 07)."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int, Integer
from torch import Tensor, nn

from ecgan.method.layouts import IGNORE
from ecgan.method.losses.contrastive import (
    alone,
    check_temperature,
    mean_of_counted,
    pixel_costs,
    unit,
)
from ecgan.method.losses.diagnostics import ContrastDiagnostics, diagnose
from ecgan.method.losses.finite import require_finite
from ecgan.method.losses.sampling import MemoryBank, Pool, Samples, join, sample_balanced

Features = Float[Tensor, "b c h w"] | Sequence[Float[Tensor, "b _ _ _"]]


class ProjectionHead(nn.Module):
    r"""Features to embeddings: 1x1 convolution, ReLU, 1x1 convolution. [P]"""

    def __init__(self, *, channels: int, dim: int = 256) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(channels, channels, 1)
        self.out = nn.Conv2d(channels, dim, 1)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        r"""Embeddings of a whole map, of any length: the loss normalises."""
        return self.out(F.relu(self.hidden(features.to(self.out.weight.dtype))))

    def project(self, samples: Float[Tensor, "n c"]) -> Float[Tensor, "n d"]:
        r"""The same for single pixels: the convolutions see one pixel at a time anyway."""
        with torch.autocast(samples.device.type, enabled=False):
            return rearrange(self(rearrange(samples, "n c -> n c 1 1")), "n d 1 1 -> n d")


def resize_labels(labels: Int[Tensor, "b h w"], height: int, width: int) -> Int[Tensor, "b y x"]:
    r"""Nearest-neighbour, as everywhere in the model where a layout meets smaller features."""
    if labels.shape[-2:] == (height, width):
        return labels
    maps = rearrange(labels, "b h w -> b 1 h w").float()  # exact: labels are far below 2^24
    return rearrange(F.interpolate(maps, (height, width)), "b 1 h w -> b h w").to(labels.dtype)


def places(pixels: Int[Tensor, "n"], labels: Integer[Tensor, "b h w"]) -> tuple[Tensor, ...]:
    r"""Layout, row and column of numbers in "(b h w)"; ``torch.unravel_index`` waits for a GPU."""
    _, height, width = labels.shape
    lines = pixels // width
    return lines // height, lines % height, pixels % width


class PixelContrast(nn.Module):
    r"""Pixel-wise contrastive learning across layouts. Idea [A], form [S], sampling [I]; ch. 07.

    ``channels``: of the feature map, or one number a scale; ``dim``: of the projection, None for no
    projection (the features are the embeddings). ``per_class`` queries of each class are drawn from
    the whole batch, at most ``most`` together; the keys are the queries themselves, or a draw of
    their own of ``keys_per_class``. ``per_class=None`` takes all pixels (small maps only).

    ``across_layouts=False`` keeps positives *and* negatives within the query's own layout: the
    baseline that the paper's idea is measured against. ``together`` lies between the two: only the
    layouts of a group of so many meet. ``cross_scale`` lets samples of all scales
    meet; otherwise the loss is the mean of the scales' losses. ``memory_per_class`` keeps that many
    older keys a class as additional ones (needs ``classes``; filled in training mode only). Where
    ``classes`` are given, a draw holds no more than it can fill, and every class takes part.

    Of several processes each asks for its own pixels, and all processes' pixels are the keys:
    ``gather`` stacks every process's tensor, by rank, and carries gradients back to where they
    belong; ``rank`` is this process's. Each then has its share of the loss of the whole batch, and
    the mean of the shares is that loss.

    Called with features "b c h w" (or a list, one a scale) and labels "b h w" (resized, nearest).
    Gives a scalar; zero, with gradient zero, where no pair exists.
    """

    def __init__(
        self,
        *,
        channels: int | Sequence[int],
        dim: int | None = 256,
        temperature: float | int = 0.1,
        per_class: int | None = 100,
        keys_per_class: int | None = None,
        most: int | None = 1024,
        across_layouts: bool = True,
        together: int | None = None,
        cross_scale: bool = False,
        memory_per_class: int = 0,
        classes: int | None = None,
        ignore: int = IGNORE,
        gather: Callable[[Tensor], Tensor] = alone,
        rank: int = 0,
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        channels = [channels] if isinstance(channels, int) else list(channels)
        if dim is None and cross_scale and len(set(channels)) > 1:
            raise ValueError(
                f"cross_scale with channels {channels}: features of different widths cannot meet "
                "without a projection; set `dim`."
            )
        if memory_per_class and (classes is None or not across_layouts):
            raise ValueError(
                "memory_per_class needs `classes`, and across_layouts=True: what is remembered "
                "comes from other layouts."
            )
        if together is not None and (together < 1 or memory_per_class or not across_layouts):
            raise ValueError(
                f"together is {together}: groups of 1 layout or more are compared, with "
                "across_layouts=True, and without a memory, whose layouts are of no group."
            )
        self.temperature, self.ignore, self.classes = temperature, ignore, classes
        self.per_class, self.keys_per_class, self.most = per_class, keys_per_class, most
        self.gather, self.rank = gather, rank
        self.across_layouts, self.cross_scale = across_layouts, cross_scale
        self.together = together if across_layouts else 1
        self.heads = nn.ModuleList(
            ProjectionHead(channels=width, dim=dim) for width in channels if dim is not None
        )
        self.scales = len(channels)
        widths = channels[:1] if cross_scale else channels
        self.banks = nn.ModuleList(
            MemoryBank(
                classes=classes, per_class=memory_per_class, dim=dim or width, ignore=ignore
            )
            for width in widths if memory_per_class
        )  # fmt: skip

    def draw(self, scales, labels, *, per_class, most, generator) -> list[Samples]:
        r"""Samples of each scale: drawn first, so that few pixels are projected."""
        if self.classes is not None and per_class is not None:
            needed = self.classes * per_class
            most = needed if most is None else max(min(most, needed), self.classes)
        resized = [resize_labels(labels, *features.shape[-2:]) for features in scales]
        drawn, offset = [], self.rank * sum(small.numel() for small in resized)
        for index, (features, small) in enumerate(zip(scales, resized, strict=True)):
            pixels, valid = sample_balanced(
                small, per_class=per_class, most=most, ignore=self.ignore, generator=generator
            )
            layouts, rows, columns = places(pixels, small)
            embeddings = features[layouts, :, rows, columns]
            if self.heads:
                embeddings = self.heads[index].project(embeddings)
            classes = torch.where(valid, small[layouts, rows, columns], self.ignore)
            layouts = layouts + self.rank * len(labels)
            drawn.append(Samples(embeddings, classes, layouts, pixels + offset))
            offset += small.numel()
        return drawn

    def of_everyone(self, own: Samples) -> Samples:
        r"""The samples of all processes, by rank."""
        embeddings, *numbers = own
        numbers = self.gather(torch.stack(numbers, dim=1))
        return Samples(self.gather(embeddings), *numbers.unbind(dim=1))

    def remembered(self, index: int, like: Samples) -> Samples:
        r"""What the memory of a pool holds, as keys."""
        stored, classes = self.banks[index].read()
        nowhere = torch.full_like(classes, -1)
        return Samples(stored.to(like.embeddings), classes, nowhere, nowhere)

    def pools(
        self,
        features: Features,
        labels: Integer[Tensor, "_ y x"],
        *,
        generator: torch.Generator | None = None,
    ) -> list[Pool]:
        r"""Queries, keys, and which may meet; one entry a scale, or one with ``cross_scale``."""
        scales = [features] if isinstance(features, Tensor) else list(features)
        if len(scales) != self.scales or any(len(maps) != len(labels) for maps in scales):
            raise ValueError(
                f"contrastive loss: feature maps {[tuple(maps.shape) for maps in scales]} for "
                f"labels {tuple(labels.shape)}; expected {self.scales} scale(s) of one batch size."
            )
        require_finite("contrastive", *scales)
        labels = labels.long()
        queries = self.draw(
            scales, labels, per_class=self.per_class, most=self.most, generator=generator
        )
        keys = queries
        if self.keys_per_class is not None:
            keys = self.draw(
                scales, labels, per_class=self.keys_per_class, most=None, generator=generator
            )
        if self.cross_scale:
            queries, keys = [join(queries)], [join(keys)]
        pools = []
        for index, (rows, own) in enumerate(zip(queries, keys, strict=True)):
            fresh = columns = self.of_everyone(own)
            if self.banks:
                columns = join([fresh, self.remembered(index, like=fresh)])
            allowed = rearrange(rows.pixels, "n -> n 1") != rearrange(columns.pixels, "m -> 1 m")
            if self.together is not None:
                mine, theirs = rows.layouts // self.together, columns.layouts // self.together
                allowed = allowed & (rearrange(mine, "n -> n 1") == rearrange(theirs, "m -> 1 m"))
            pools.append(Pool(rows, columns, allowed, fresh))
        return pools

    def forward(
        self,
        features: Features,
        labels: Integer[Tensor, "_ y x"],
        *,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        pools = self.pools(features, labels, generator=generator)
        losses = []
        for pool in pools:
            costs, counted = pixel_costs(
                *pool.compared(),
                temperature=self.temperature, allowed=pool.allowed, ignore=self.ignore,
            )  # fmt: skip
            losses.append(mean_of_counted(costs, counted, gather=self.gather))
        if self.training:
            for bank, pool in zip(self.banks, pools, strict=False):
                bank.push(unit(pool.fresh.embeddings.detach()), pool.fresh.labels)
        return sum(losses) / len(losses)

    def diagnose(
        self,
        features: Features,
        labels: Integer[Tensor, "_ y x"],
        *,
        generator: torch.Generator | None = None,
    ) -> list[ContrastDiagnostics]:
        r"""What the loss sees, one entry a pool; the memory is read, not written."""
        found = []
        for pool in self.pools(features, labels, generator=generator):
            queries, query_labels, *keys = pool.compared()
            drawn = query_labels != self.ignore
            found.append(
                diagnose(
                    queries[drawn], query_labels[drawn], *keys,
                    temperature=self.temperature, allowed=pool.allowed[drawn], ignore=self.ignore,
                )
            )  # fmt: skip
        return found
