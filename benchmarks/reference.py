r"""The released schedule, written naively from its description: what "fast" is measured against.

Two generator passes a step; each modality judged on its own, fake and real together, in both
updates; dense one-hot convolutions; gamma and beta apart; the layout resized in every SPADE;
plain Adam. The same networks and losses as the package's, to the last number.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecgan.config import Config, ModelConfig
from ecgan.method.batch import Batch
from ecgan.method.discriminator import Discriminator, half
from ecgan.method.generator import Generator, Synthesis
from ecgan.method.layers import LEAK, Convolution, convolution
from ecgan.method.losses.adversarial import feature_matching, hinge_discriminator, hinge_generator
from ecgan.method.spade import SPADE, LayoutPyramid


class ResizedEachTime(LayoutPyramid):
    r"""A layout that is resized whenever somebody asks."""

    def at(self, height: int, width: int) -> Tensor:
        return F.interpolate(self.full, size=(height, width), mode="nearest")


class NaiveSPADE(nn.Module):
    r"""SPADE with gamma and beta from two convolutions, computed at every pixel."""

    def __init__(self, spade: SPADE):
        super().__init__()
        self.normalise, self.shared = spade.normalise, spade.shared
        hidden, both = spade.modulation.in_channels, spade.modulation.out_channels
        self.gamma, self.beta = (convolution(hidden, both // 2) for _ in range(2))
        for part, conv in enumerate((self.gamma, self.beta)):
            conv.load_state_dict(
                {
                    name: value.chunk(2)[part]
                    for name, value in spade.modulation.state_dict().items()
                }
            )

    def forward(self, x: Tensor, layout: ResizedEachTime) -> Tensor:
        hidden = F.relu(self.shared(layout.at(*x.shape[-2:])))
        return self.normalise(x) * (1 + self.gamma(hidden)) + self.beta(hidden)


def divide_the_weights(network: nn.Module) -> None:
    r"""Spectral normalisation and heavy convolutions of ``network`` as they usually are."""
    for part in network.modules():
        if isinstance(part, Convolution):
            part.is_heavy_for = lambda x: False


def anew(maps: Tensor) -> Tensor:
    r"""LeakyReLU that keeps what it was given [R]."""
    return F.leaky_relu(maps, LEAK)


NEW_MAPS = [
    (f"ecgan.{module}.leak_", anew) for module in ("spade", "semantic_preserving", "discriminator")
]


@contextmanager
def patched(*targets: tuple) -> Iterator[None]:
    r"""Other values in the named places, for a while."""
    with ExitStack() as stack:
        for place, value in targets:
            stack.enter_context(patch(place, value))
        yield


class NaiveDiscriminator(Discriminator):
    r"""The package's discriminator; layout and picture go in as one tensor, each time anew."""

    def __init__(self, config: ModelConfig):
        super().__init__(config)
        divide_the_weights(self)

    def forward(self, semantics: Tensor, image: Tensor) -> list[list[Tensor]]:
        x, outputs = torch.cat([semantics, image], dim=1), []
        with patched(*NEW_MAPS):
            for scale in self.scales:
                outputs.append(scale(x))
                x = half(x)
        return outputs


class NaiveGenerator(Generator):
    r"""The package's generator with naive SPADEs; nothing is looked up."""

    def __init__(self, config):
        super().__init__(config)
        for block in self.encoder.blocks:
            for name, part in list(block.named_children()):
                if isinstance(part, SPADE):
                    setattr(block, name, NaiveSPADE(part))
        divide_the_weights(self)

    def forward(self, semantics: Tensor) -> Synthesis:
        with patched(*NEW_MAPS):
            return super().forward(semantics)

    def pyramid(self, semantics: Tensor) -> ResizedEachTime:
        return ResizedEachTime(semantics, gather=False)


class ReleasedTrainer:
    r"""A generator step, then a discriminator step on freshly generated fakes [R]."""

    def __init__(self, config: Config):
        torch.manual_seed(config.training.seed)
        self.config = config
        self.generator = NaiveGenerator(config.model)
        self.discriminator = NaiveDiscriminator(config.model)
        settings = config.training
        self.optimisers = [
            torch.optim.Adam(network.parameters(), lr=rate, betas=settings.betas, foreach=False)
            for network, rate in (
                (self.generator, settings.generator_rate),
                (self.discriminator, settings.discriminator_rate),
            )
        ]

    def judge(self, semantics: Tensor, fake: Tensor, real: Tensor):
        r"""Fake and real in one batch, as released [R]; their layers apart again."""
        results = self.discriminator(torch.cat([semantics, semantics]), torch.cat([fake, real]))
        halves = [[layer.chunk(2) for layer in layers] for layers in results]
        return [[[layer[part] for layer in layers] for layers in halves] for part in (0, 1)]

    def step(self, batch: Batch) -> float:
        r"""Both updates; the generator's loss."""
        weights = self.config.losses
        first, second = self.optimisers
        pictures = self.generator(batch.semantics).pictures()
        targets, loss = batch.targets(pictures), 0
        for name, picture in pictures.items():
            fake, real = self.judge(batch.semantics, picture, targets[name])
            terms = weights.adversarial * hinge_generator(fake)
            terms = terms + weights.feature_matching * feature_matching(fake, real)
            loss = loss + weights.modality(name) * terms
        first.zero_grad()
        loss.backward()
        first.step()
        with torch.no_grad():
            pictures = self.generator(batch.semantics).pictures()
        judged = 0
        for name, picture in pictures.items():
            fake, real = self.judge(batch.semantics, picture, targets[name])
            both = hinge_discriminator(fake, real=False) + hinge_discriminator(real, real=True)
            judged = judged + weights.modality(name) * both
        second.zero_grad()
        judged.backward()
        second.step()
        return loss.item()
