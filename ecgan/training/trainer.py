r"""What one run trains: networks, optimisers, schedules, the averaged generator (chapter 09)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ecgan.config import Config, Number, TrainingConfig
from ecgan.fast import accelerate
from ecgan.method.batch import Batch
from ecgan.method.discriminator import Discriminator
from ecgan.method.generator import Generator
from ecgan.method.losses.objective import Objective
from ecgan.training.guard import NonFiniteGradient
from ecgan.training.machine import Machine
from ecgan.training.start import Factor, Start
from ecgan.training.step import step, update

NETWORKS = ("generator", "discriminator")
SMALLEST_SCALE = 1.0


def linear_decay(settings: TrainingConfig) -> Factor:
    r"""Learning-rate factor of a step: 1 for the share ``constant``, then linear to 0 [R]."""
    flat = settings.constant * settings.steps

    def factor(step: int) -> float:
        falling = max(0.0, settings.steps - step)
        return 1.0 if step < flat else falling / max(settings.steps - flat, 1)

    return factor


@dataclass(frozen=True, kw_only=True)
class Player:
    r"""One of the two: what it learns, what moves it, and how far."""

    parameters: list[nn.Parameter]
    optimiser: Optimizer
    schedule: LambdaLR


def make_player(
    parameters: list[nn.Parameter], rate: Number, settings: TrainingConfig, factor: Factor
) -> Player:
    r"""Adam [R], in its fused form: it passes over an update where it is told to, on the device."""
    optimiser = torch.optim.Adam(parameters, lr=rate, betas=settings.betas, fused=True)
    schedule = LambdaLR(optimiser, factor)
    return Player(parameters=parameters, optimiser=optimiser, schedule=schedule)


class Trainer:
    r"""Generator, discriminator, their optimisers and the averaged generator of one run.

    Adam with the two learning rates of ``config.training`` [R]. Weights start from
    ``config.training.seed``, or the generator's from ``start``. ``segmenter`` and ``perceptual``
    are what :class:`ecgan.method.losses.objective.Objective` takes. ``machine`` says where it
    computes; a CPU unless given. ``quick`` networks are accelerated; ``recompute`` then makes
    SPADE's gamma and beta a second time rather than keep them: less memory.
    """

    def __init__(
        self,
        *,
        config: Config,
        segmenter: nn.Module | None = None,
        perceptual: nn.Module | None = None,
        machine: Machine | None = None,
        recompute: bool = False,
        quick: bool = True,
        start: Start | None = None,
    ):
        settings = config.training
        self.config = config
        self.machine = machine or Machine(precision=settings.precision)
        torch.manual_seed(settings.seed)
        self.generator = self.machine.place(Generator(config.model))
        self.discriminator = self.machine.place(Discriminator(config.model))
        self.objective = Objective(
            config=config,
            segmenter=segmenter,
            perceptual=perceptual,
            gather=self.machine.stack,
            rank=self.machine.rank,
        )
        self.objective.to(self.machine.device)
        if quick:
            for network in (self.generator, self.discriminator, self.objective.decoder):
                if network is not None:
                    accelerate(network, recompute=recompute)
        decay = waiting = linear_decay(settings)
        if start is not None:
            start.begin(self.generator, config)
            waiting = start.waits(decay)
        learned = [*self.generator.parameters(), *self.objective.own_parameters()]
        self.players = {
            "generator": make_player(learned, settings.generator_rate, settings, waiting),
            "discriminator": make_player(
                list(self.discriminator.parameters()), settings.discriminator_rate, settings, decay
            ),
        }
        self.norms: dict[str, float] = {}
        self.update = partial(update, self)  # or quicker: see training.recorded
        self.average = None
        if settings.ema:
            average = get_ema_multi_avg_fn(settings.ema)
            self.average = AveragedModel(self.generator, multi_avg_fn=average, use_buffers=True)
        self.machine.seed_by_rank(settings.seed)

    @property
    def optimisers(self) -> list[Optimizer]:
        r"""Both optimisers, in the order of :data:`NETWORKS`."""
        return [self.players[name].optimiser for name in NETWORKS]

    @property
    def schedules(self) -> list[LambdaLR]:
        r"""Both schedules, in the order of :data:`NETWORKS`."""
        return [self.players[name].schedule for name in NETWORKS]

    @property
    def trained(self) -> Generator:
        r"""The generator to use: the averaged one where there is one."""
        return self.generator if self.average is None else self.average.module

    def step(self, batch: Batch | Sequence[Batch]) -> dict[str, float]:
        r"""One update of both networks, by :func:`ecgan.training.step.step`; its weighted terms.

        Takes a batch, or several whose gradients are averaged. The lengths of both gradients are
        then in ``norms``. Raises :class:`ecgan.method.losses.NonFiniteLoss` before any weight is
        touched by a loss or a gradient that is not finite. With "fp16" the scaler passes over a
        gradient that overflows.
        """
        with self.machine.repeatable():
            found = step(self, [batch] if isinstance(batch, Batch) else list(batch))
        self.norms = {name: found.pop(f"{name}_gradient") for name in NETWORKS}
        for schedule in self.schedules:
            schedule.step()
        self.machine.average_statistics(self.generator)
        if self.average is not None:
            self.average.update_parameters(self.generator)
        return found

    def adjust_scale(self, *, overflowed: bool) -> None:
        r"""Let the gradient scaler lower its scale after an overflow, or raise it after many steps.

        Raises :class:`NonFiniteGradient` where no scale is small enough.
        """
        scaler = self.machine.scaler
        scaler.update()
        if overflowed and scaler.get_scale() < SMALLEST_SCALE:
            raise NonFiniteGradient(
                "the gradients overflow float16 however small they are scaled; the networks have "
                "come apart, or the pictures are so small that the coarsest map is one pixel: set "
                'precision to "bf16" or "fp32"'
            )
