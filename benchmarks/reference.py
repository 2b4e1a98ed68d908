r"""The released schedule, from its description, with the plain method: what "fast" is measured by.

Two generator passes a step; each modality judged on its own, fake and real together, in both
updates; plain Adam. The networks are the package's own, not accelerated, with the same losses.
"""

import torch
from torch import Tensor

from ecgan.config import Config
from ecgan.method.batch import Batch
from ecgan.method.discriminator import Discriminator
from ecgan.method.generator import Generator
from ecgan.method.losses.adversarial import feature_matching, hinge_discriminator, hinge_generator


class ReleasedTrainer:
    r"""A generator step, then a discriminator step on freshly generated fakes [R]."""

    def __init__(self, config: Config):
        torch.manual_seed(config.training.seed)
        self.config = config
        self.generator = Generator(config.model)
        self.discriminator = Discriminator(config.model)
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
