r"""What one update sees: layouts and what they should become."""

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor


class Batch(NamedTuple):
    r"""Layouts with what they should become; images and edge maps in [-1, 1]."""

    labels: Int[Tensor, "b h w"]
    semantics: Float[Tensor, "b s h w"]
    images: Float[Tensor, "b 3 h w"]
    edges: Float[Tensor, "b 3 h w"]

    def targets(self, names) -> dict[str, Tensor]:
        r"""The real picture for each modality of ``names``."""
        return {name: self.edges if name == "edge" else self.images for name in names}
