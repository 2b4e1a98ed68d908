r"""Inception-v3 as the Frechet Inception Distance uses it, with its published weights by hash.

The network of Heusel et al. (2017): TensorFlow's, of 2015, whose average pools do not count their
padding and whose last block takes a maximum. Names are those of its published PyTorch weights.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from ecgan.files.published import Published, WeightsUnavailable

FEATURES = 2048
SIZE = 299
WEIGHTS = Published(
    purpose="FID and KID on photographs",
    urls=(
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
        "pt_inception-2015-12-05-6726825d.pth",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth",
    ),
    sha256_prefix="6726825d",
    variable="ECGAN_INCEPTION",
    way_out="or take a segmenter's features instead, with --features: such a distance compares "
    "your own runs with each other, and with no published number.",
)


class ConvNorm(nn.Module):
    r"""Convolution, batch norm, ReLU."""

    def __init__(self, *, channels: int, out: int, kernel, stride: int = 1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=0.001)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        return F.relu(self.bn(self.conv(x)))


def average(x: Tensor) -> Tensor:
    r"""A 3 x 3 mean of the same size; padding is not counted."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def largest(x: Tensor) -> Tensor:
    r"""A 3 x 3 maximum of the same size."""
    return F.max_pool2d(x, 3, stride=1, padding=1)


def halved(x: Tensor) -> Tensor:
    r"""A 3 x 3 maximum of half the size."""
    return F.max_pool2d(x, 3, stride=2)


class Mixed(nn.Module):
    r"""Branches side by side; ``branches`` lists each one's convolutions: name, width, kernel.

    A convolution of kernel (3, "half") has stride 2 and no padding. A last entry that is a pair
    splits the branch in two. The pooled input is one more branch, of ``pooled`` channels where a
    convolution follows.
    """

    def __init__(self, *, channels: int, branches, pool, pooled: int | None = None):
        super().__init__()
        self.pool, self.paths = pool, []
        for branch in branches:
            before, path = channels, []
            for entry in branch:
                twins = entry if isinstance(entry[0], tuple) else (entry,)
                for name, width, kernel in twins:
                    self.add_module(name, self._layer(before, width, kernel))
                path.append([name for name, _, _ in twins])
                before = twins[0][1]
            self.paths.append(path)
        self.branch_pool = ConvNorm(channels=channels, out=pooled, kernel=1) if pooled else None

    @staticmethod
    def _layer(before: int, width: int, kernel) -> ConvNorm:
        if kernel == "half":
            return ConvNorm(channels=before, out=width, kernel=3, stride=2)
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = tuple(side // 2 for side in sides)
        return ConvNorm(channels=before, out=width, kernel=sides, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        outputs = []
        for path in self.paths:
            branch = [x]
            for names in path:
                branch = [getattr(self, name)(branch[0]) for name in names]
            outputs += branch
        pooled = self.pool(x)
        outputs.append(pooled if self.branch_pool is None else self.branch_pool(pooled))
        return torch.cat(outputs, dim=1)


def block_a(channels: int, pooled: int) -> Mixed:
    r"""35 x 35: kernels of 1, 5 and twice 3."""
    return Mixed(channels=channels, pool=average, pooled=pooled, branches=[
        [("branch1x1", 64, 1)],
        [("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)],
        [("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)],
    ])  # fmt: skip


def block_b(channels: int) -> Mixed:
    r"""35 x 35 to 17 x 17."""
    return Mixed(channels=channels, pool=halved, branches=[
        [("branch3x3", 384, "half")],
        [("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, "half")],
    ])  # fmt: skip


def block_c(channels: int, width: int) -> Mixed:
    r"""17 x 17: kernels of 7 as a row and a column."""
    row, column = (1, 7), (7, 1)
    return Mixed(channels=channels, pool=average, pooled=192, branches=[
        [("branch1x1", 192, 1)],
        [("branch7x7_1", width, 1), ("branch7x7_2", width, row), ("branch7x7_3", 192, column)],
        [("branch7x7dbl_1", width, 1), ("branch7x7dbl_2", width, column),
         ("branch7x7dbl_3", width, row), ("branch7x7dbl_4", width, column),
         ("branch7x7dbl_5", 192, row)],
    ])  # fmt: skip


def block_d(channels: int) -> Mixed:
    r"""17 x 17 to 8 x 8."""
    return Mixed(channels=channels, pool=halved, branches=[
        [("branch3x3_1", 192, 1), ("branch3x3_2", 320, "half")],
        [("branch7x7x3_1", 192, 1), ("branch7x7x3_2", 192, (1, 7)),
         ("branch7x7x3_3", 192, (7, 1)), ("branch7x7x3_4", 192, "half")],
    ])  # fmt: skip


def block_e(channels: int, pool) -> Mixed:
    r"""8 x 8: branches that end in a row and a column beside each other."""

    def twins(name: str):
        return ((f"{name}a", 384, (1, 3)), (f"{name}b", 384, (3, 1)))

    return Mixed(channels=channels, pool=pool, pooled=192, branches=[
        [("branch1x1", 320, 1)],
        [("branch3x3_1", 384, 1), twins("branch3x3_2")],
        [("branch3x3dbl_1", 448, 1), ("branch3x3dbl_2", 384, 3), twins("branch3x3dbl_3")],
    ])  # fmt: skip


def resize(levels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 299 299"]:
    r"""Bilinear to 299 x 299 as TensorFlow 1 did it: target pixel i is read at i * size / 299."""
    height, width = levels.shape[-2:]

    def places(size: int) -> Tensor:
        at = torch.arange(SIZE, device=levels.device, dtype=levels.dtype) * (size / SIZE)
        return 2 * at / max(size - 1, 1) - 1

    grid = torch.stack(torch.meshgrid(places(width), places(height), indexing="xy"), dim=-1)
    grids = torch.stack([grid] * len(levels))
    return F.grid_sample(levels, grids, mode="bilinear", padding_mode="border", align_corners=True)


class Inception(nn.Module):
    r"""Pictures ``b 3 h w`` in [-1, 1], first rounded to 8 bits as if saved, to ``b 2048``."""

    num_features = FEATURES

    def __init__(self):
        super().__init__()
        self.Conv2d_1a_3x3 = ConvNorm(channels=3, out=32, kernel=3, stride=2)
        self.Conv2d_2a_3x3 = ConvNorm(channels=32, out=32, kernel=3)
        self.Conv2d_2b_3x3 = ConvNorm(channels=32, out=64, kernel=3, padding=1)
        self.Conv2d_3b_1x1 = ConvNorm(channels=64, out=80, kernel=1)
        self.Conv2d_4a_3x3 = ConvNorm(channels=80, out=192, kernel=3)
        self.Mixed_5b, self.Mixed_5c = block_a(192, 32), block_a(256, 64)
        self.Mixed_5d, self.Mixed_6a = block_a(288, 64), block_b(288)
        self.Mixed_6b, self.Mixed_6c = block_c(768, 128), block_c(768, 160)
        self.Mixed_6d, self.Mixed_6e = block_c(768, 160), block_c(768, 192)
        self.Mixed_7a, self.Mixed_7b = block_d(768), block_e(1280, average)
        self.Mixed_7c = block_e(2048, largest)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        levels = ((images.float().clamp(-1, 1) + 1) * 127.5).round()
        x = (resize(levels) - 128) / 128
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(halved(x)))
        x = halved(x)
        for name, block in self.named_children():
            if name.startswith("Mixed"):
                x = block(x)
        return reduce(x, "b d h w -> b d", "mean")


def load_inception(path: str | Path) -> Inception:
    r"""The network with weights from a file; its last, classifying layer is left out."""
    state, network = WEIGHTS.state_dict(path), Inception()
    own = network.state_dict()
    # Old files do not count batches; nothing depends on that count here.
    missing = [name for name in own if name not in state and "num_batches" not in name]
    if missing:
        raise WeightsUnavailable(
            f"{path} lacks {', '.join(missing[:3])}{' ...' * (len(missing) > 3)}; needed are the "
            f"weights of {WEIGHTS.urls[0]}"
        )
    network.load_state_dict({name: state.get(name, value) for name, value in own.items()})
    return network.eval().requires_grad_(False)


def published_inception(*, folder: str | Path | None = None) -> Inception:
    r"""The network with its published weights (95 MB, downloaded once)."""
    return load_inception(WEIGHTS.fetch(folder=folder))
