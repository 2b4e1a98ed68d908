r"""One update of both networks: forward, judge, losses, gradients, averages (chapter 09)."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ecgan.config import Config, TrainingConfig
from ecgan.method.batch import Batch
from ecgan.method.discriminator import Discriminator, judge
from ecgan.method.generator import Generator, Synthesis
from ecgan.method.losses.objective import Objective, Terms
from ecgan.method.spade import SPADE
from ecgan.training.guard import NonFiniteGradient, blame, culprits, gradient_norm
from ecgan.training.machine import Machine

NETWORKS = ("generator", "discriminator")
SMALLEST_SCALE = 1.0


def linear_decay(settings: TrainingConfig) -> Callable[[int], float]:
    r"""Learning-rate factor of a step: 1 for the share ``constant``, then linear to 0 [R]."""
    flat = settings.constant * settings.steps

    def factor(step: int) -> float:
        falling = max(0.0, settings.steps - step)
        return 1.0 if step < flat else falling / max(settings.steps - flat, 1)

    return factor


def mean_terms(parts: Sequence[Terms]) -> Terms:
    r"""The mean of each term over the batches of one update."""
    if len(parts) == 1:
        return parts[0]
    raw = {name: sum(p.raw[name].detach() for p in parts) / len(parts) for name in parts[0].raw}
    return Terms(raw=raw, weights=parts[0].weights)


class Trainer:
    r"""Generator, discriminator, their optimisers and the averaged generator of one run.

    Adam with the two learning rates of ``config.training`` [R]. Weights start from
    ``config.training.seed``. :meth:`step` takes a batch, or several whose gradients are added up,
    and returns both networks' terms. ``machine`` says where it computes; a CPU unless given.
    ``recompute`` makes SPADE's gamma and beta a second time rather than keep them: less memory.
    """

    def __init__(
        self,
        *,
        config: Config,
        segmenter: nn.Module | None = None,
        vgg: nn.Module | None = None,
        machine: Machine | None = None,
        recompute: bool = False,
    ):
        settings = config.training
        self.config = config
        self.machine = machine or Machine(precision=settings.precision)
        torch.manual_seed(settings.seed)
        self.generator = self.machine.place(Generator(config.model))
        self.discriminator = self.machine.place(Discriminator(config.model))
        for spade in (part for part in self.generator.modules() if isinstance(part, SPADE)):
            spade.recompute = recompute
        self.objective = Objective(config=config, segmenter=segmenter, vgg=vgg)
        self.objective.to(self.machine.device)
        self.generator_parameters = [
            *self.generator.parameters(),
            *self.objective.own_parameters(),
        ]
        self.discriminator_parameters = list(self.discriminator.parameters())
        self.parameters = (self.generator_parameters, self.discriminator_parameters)
        rates = (settings.generator_rate, settings.discriminator_rate)
        self.optimisers = [
            torch.optim.Adam(parameters, lr=rate, betas=settings.betas, fused=True)
            for parameters, rate in zip(self.parameters, rates, strict=True)
        ]
        self.schedules = [
            torch.optim.lr_scheduler.LambdaLR(optimiser, linear_decay(settings))
            for optimiser in self.optimisers
        ]
        self.norms: dict[str, float] = {}
        self.average = None
        if settings.ema:
            average = get_ema_multi_avg_fn(settings.ema)
            self.average = AveragedModel(self.generator, multi_avg_fn=average, use_buffers=True)
        self.machine.seed_by_rank(settings.seed)

    @property
    def trained(self) -> Generator:
        r"""The generator to use: the averaged one where there is one."""
        return self.generator if self.average is None else self.average.module

    def step(self, batch: Batch | Sequence[Batch]) -> tuple[Terms, Terms]:
        r"""One update of both networks; the generator's and the discriminator's terms.

        Raises :class:`NonFiniteLoss` before any weight is touched by a loss or a
        gradient that is not finite. With "fp16" the scaler passes over a gradient that overflows.
        """
        parts = [batch] if isinstance(batch, Batch) else list(batch)
        update = self._simultaneous if self.config.training.simultaneous else self._alternating
        with self.machine.repeatable():
            terms = update(parts)
        self._lower_scale()
        for schedule in self.schedules:
            schedule.step()
        self.machine.average_statistics(self.generator)
        if self.average is not None:
            self.average.update_parameters(self.generator)
        return terms

    def _judge(self, batch: Batch, made: Synthesis):
        pictures = made.pictures()
        layout = self.discriminator.read(batch.semantics)
        fake = judge(self.discriminator, layout, pictures)
        # The real image answers for first and final alike: it is judged once.
        once = {"edge": batch.edges, "image": batch.images}
        if "edge" not in pictures:
            del once["edge"]
        real = judge(self.discriminator, layout, once)
        return fake, {name: real["edge" if name == "edge" else "image"] for name in fake}

    def _both_terms(self, batch: Batch) -> tuple[Terms, Terms]:
        with self.machine.autocast():
            made = self.generator(batch.semantics)
            fake, real = self._judge(batch, made)
            terms = self.objective.generator_terms(made, batch, fake, real)
            return terms, self.objective.discriminator_terms(fake, real)

    def _generator_terms(self, batch: Batch) -> Terms:
        with self.machine.autocast():
            made = self.generator(batch.semantics)
            fake, real = self._judge(batch, made)
            return self.objective.generator_terms(made, batch, fake, real)

    def _discriminator_terms(self, batch: Batch) -> Terms:
        with self.machine.autocast():
            with torch.no_grad():
                made = self.generator(batch.semantics)
            return self.objective.discriminator_terms(*self._judge(batch, made))

    def _simultaneous(self, batches: list[Batch]) -> tuple[Terms, Terms]:
        r"""Both gradients from one forward pass of each network, then both updates [I]."""
        self._clear(0, 1)
        parts = []
        for batch in batches:
            parts.append(self._both_terms(batch))
            # The generator's last: it then gives back the maps while its gradients fill memory.
            self._backward(1, parts[-1][1], len(batches), retain_graph=True)
            self._backward(0, parts[-1][0], len(batches))
        self._update(batches, 0, 1)
        generator, discriminator = (mean_terms(terms) for terms in zip(*parts, strict=True))
        return generator, discriminator

    def _alternating(self, batches: list[Batch]) -> tuple[Terms, Terms]:
        r"""A generator step, then a discriminator step on freshly generated fakes [R]."""
        means = []
        for index, make in enumerate((self._generator_terms, self._discriminator_terms)):
            self._clear(index)
            parts = []
            for batch in batches:
                parts.append(make(batch))
                self._backward(index, parts[-1], len(batches))
            self._update(batches, index)
            means.append(mean_terms(parts))
        return means[0], means[1]

    def _clear(self, *indices: int) -> None:
        for index in indices:
            self.optimisers[index].zero_grad()

    def _backward(self, index: int, terms: Terms, share: int, *, retain_graph=False) -> None:
        loss = self.machine.scaler.scale(terms.total / share)
        loss.backward(inputs=self.parameters[index], retain_graph=retain_graph)

    def _update(self, batches: list[Batch], *indices: int) -> None:
        for index in indices:
            self.machine.average(self._gradients(index))
            self.machine.scaler.unscale_(self.optimisers[index])
            norm = gradient_norm(self.parameters[index])
            if not self.machine.scaler.is_enabled() and not norm.isfinite():
                raise blame(NETWORKS[index], self._culprits(index, batches))
            self.norms[NETWORKS[index]] = norm.item()
        for index in indices:
            self.machine.scaler.step(self.optimisers[index])

    def _gradients(self, index: int) -> list[Tensor]:
        if self.machine.processes > 1:
            for parameter in self.parameters[index]:
                if parameter.grad is None:  # but perhaps not in the other processes
                    parameter.grad = torch.zeros_like(parameter)
        return [p.grad for p in self.parameters[index] if p.grad is not None]

    def _culprits(self, index: int, batches: list[Batch]) -> list[str]:
        r"""The run is over: so a fresh forward pass may disturb what it likes."""
        make = (self._generator_terms, self._discriminator_terms)[index]
        named = [culprits(make(batch), self.parameters[index]) for batch in batches]
        return sorted({name for names in named for name in names})

    def _lower_scale(self) -> None:
        scaler = self.machine.scaler
        scaler.update()
        if scaler.is_enabled() and scaler.get_scale() < SMALLEST_SCALE:
            raise NonFiniteGradient(
                "the gradients overflow float16 however small they are scaled; the networks have "
                'come apart, or need a wider format: set precision to "bf16" or "fp32"'
            )
