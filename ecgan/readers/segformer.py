r"""SegFormer (Xie et al., 2021) as label generator for real photographs (chapter 06).

Needs the extra ``ecgan[segformer]``; the rest of the package does without it.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ecgan.config import ConfigError
from ecgan.errors import EcganError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
NEVER = -30.0  # score of a class that the pretrained network does not know


class SegmenterUnavailable(EcganError):
    r"""transformers, or the weights asked for, cannot be had; the message says what to do."""


class SegFormer(nn.Module):
    r"""transformers' ``SegformerForSemanticSegmentation`` as a ``Segmenter``.

    ``model`` is the network. ``label_ids`` says for each of our classes, in order, which of its
    labels mean it: an id, several ids (their probabilities add up), or None for a class that it
    does not know, which is then never recognised: set those pixels to 255 in the layout. Without
    ``label_ids`` its labels are our classes, as for ADE20K. The paper's label generator is a
    SegFormer [P]; the mapping is ours [I].
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        label_ids: Sequence[int | Sequence[int] | None] | None = None,
    ):
        super().__init__()
        self.model = model
        self.levels = model.config.num_encoder_blocks
        labels = model.config.num_labels
        known = [(label,) for label in range(labels)] if label_ids is None else label_ids
        self.label_ids = [_as_tuple(ids) for ids in known]
        wrong = [label for ids in self.label_ids for label in ids if not 0 <= label < labels]
        if wrong or not any(self.label_ids):
            raise ConfigError(
                f"label_ids names {wrong or 'no label at all'}; this network has {labels} labels, "
                f"0 to {labels - 1}: {', '.join(list(model.config.id2label.values())[:5])}, ..."
            )
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN), persistent=False)
        self.register_buffer("deviation", torch.tensor(IMAGENET_DEVIATION), persistent=False)

    @classmethod
    def from_pretrained(
        cls, name: str, *, label_ids: Sequence[int | Sequence[int] | None] | None = None
    ) -> "SegFormer":
        r"""Published weights by their name on the Hugging Face hub, or from a folder; evaluation
        mode. For ADE20K: "nvidia/segformer-b0-finetuned-ade-512-512".

        Raises :class:`SegmenterUnavailable`.
        """
        try:
            from transformers import SegformerForSemanticSegmentation
        except ImportError as error:
            raise SegmenterUnavailable(
                "SegFormer needs the transformers library: pip install 'ecgan[segformer]'"
            ) from error
        try:
            model = SegformerForSemanticSegmentation.from_pretrained(name)
        except (OSError, ValueError, RuntimeError) as error:
            raise SegmenterUnavailable(
                f"SegFormer weights {name!r} cannot be had ({type(error).__name__}): look at the "
                f"name and at the connection to huggingface.co, or give a folder that holds "
                f"config.json and model.safetensors; or switch the losses off that need them: "
                f"similarity=0, cross_entropy=0"
            ) from error
        return cls(model=model, label_ids=label_ids).eval()

    def normalise(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        r"""Images in [-1, 1] to what it was trained on: ImageNet's mean 0 and deviation 1."""
        mean, deviation = (rearrange(x, "c -> c 1 1") for x in (self.mean, self.deviation))
        return ((images + 1) / 2 - mean) / deviation

    def features(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        r"""The encoder's hidden states ``b c h' w'``, at 1/4, 1/8, 1/16 and 1/32 of the size."""
        encoded = self.model.segformer(
            pixel_values=self.normalise(images), output_hidden_states=True, return_dict=True
        )
        return list(encoded.hidden_states)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k h w"]:
        r"""Scores of our classes for images in [-1, 1], enlarged (bilinear) to their size."""
        return self._read(self.features(images), *images.shape[-2:])

    def scores(self, features: Sequence[Tensor]) -> Float[Tensor, "b k h w"]:
        r"""The same from the encoder's hidden states, of images whose sides are multiples of 4."""
        height, width = features[0].shape[-2:]
        return self._read(features, 4 * height, 4 * width)

    def _read(self, features: Sequence[Tensor], height: int, width: int) -> Tensor:
        scores = self.model.decode_head(list(features))
        scores = F.interpolate(scores, size=(height, width), mode="bilinear")
        return torch.stack([_merge(scores, ids) for ids in self.label_ids], dim=1)


def _as_tuple(ids: int | Sequence[int] | None) -> tuple[int, ...]:
    if ids is None:
        return ()
    return (ids,) if isinstance(ids, int) else tuple(ids)


def _merge(scores: Float[Tensor, "b labels h w"], ids: tuple[int, ...]) -> Float[Tensor, "b h w"]:
    r"""The score of several labels together: the logarithm of the sum of their exponentials."""
    if len(ids) == 1:
        return scores[:, ids[0]]
    if not ids:
        return torch.full_like(scores[:, 0], NEVER)
    return torch.logsumexp(scores[:, list(ids)], dim=1)
