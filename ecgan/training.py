r"""The training loop: one step for both networks, and toy data to feed it (chapter 09)."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from ecgan.config import Config, ConfigError, Number, TrainingConfig
from ecgan.data import toy
from ecgan.discriminator import Discriminator, judge
from ecgan.edges import TOY, edge_maps
from ecgan.generator import Generator, Synthesis
from ecgan.layouts import semantics
from ecgan.losses.objective import Batch, Objective, Terms
from ecgan.progress import quiet


def linear_decay(settings: TrainingConfig) -> Callable[[int], float]:
    r"""Learning-rate factor of a step: 1 for the share ``constant``, then linear to 0 [R]."""
    flat = settings.constant * settings.steps

    def factor(step: int) -> float:
        falling = max(0.0, settings.steps - step)
        return 1.0 if step < flat else falling / max(settings.steps - flat, 1)

    return factor


def toy_batches(
    config: Config, *, edge_targets: Callable[[Tensor], Tensor] | None = None
) -> Iterator[Batch]:
    r"""Endless shuffled batches of toy scenes, ``config.data.images`` of them, seed 0 [I].

    ``edge_targets`` maps images to edge maps; Canny with the toy settings unless given.
    """
    model, settings = config.model, config.training
    if model.classes != len(toy.CLASSES):
        raise ConfigError(
            f"the toy world has {len(toy.CLASSES)} classes; this config has {model.classes}"
        )
    count = config.data.images or 4096
    if count < settings.batch_size:
        raise ConfigError(
            f"data.images is {count} and batch_size {settings.batch_size}: no batch can be filled; "
            f"draw at least as many images as a batch holds"
        )
    scenes = toy.scenes(count, height=model.height, width=model.width, seed=0)
    make_edges = edge_targets or (lambda images: edge_maps(images, settings=TOY))
    edges = torch.cat([make_edges(part) for part in scenes.images.split(256)])
    order = torch.Generator().manual_seed(settings.seed)
    while True:
        indices = torch.randperm(len(edges), generator=order)
        for chosen in indices.split(settings.batch_size):
            if len(chosen) == settings.batch_size:
                labels, instances = scenes.labels[chosen], scenes.instances[chosen]
                layout = semantics(labels, instances, config=model)
                yield Batch(labels, layout, scenes.images[chosen], edges[chosen])


@dataclass(kw_only=True)
class History:
    r"""What happened, a row a logged step: step, seconds, every term weighted."""

    rows: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    r"""Generator, discriminator, their optimisers and the averaged generator of one run.

    Adam with the two learning rates of ``config.training`` [R]. Weights start from
    ``config.training.seed``. :meth:`step` takes a batch and returns both networks' terms.
    """

    def __init__(
        self,
        *,
        config: Config,
        segmenter: nn.Module | None = None,
        vgg: nn.Module | None = None,
    ):
        self.config = config
        settings = config.training
        torch.manual_seed(settings.seed)
        self.generator = Generator(config.model)
        self.discriminator = Discriminator(config.model)
        self.objective = Objective(config=config, segmenter=segmenter, vgg=vgg)
        self.generator_parameters = [
            *self.generator.parameters(),
            *self.objective.own_parameters(),
        ]
        self.discriminator_parameters = list(self.discriminator.parameters())
        self.optimisers = [
            torch.optim.Adam(parameters, lr=rate, betas=settings.betas, fused=True)
            for parameters, rate in (
                (self.generator_parameters, settings.generator_rate),
                (self.discriminator_parameters, settings.discriminator_rate),
            )
        ]
        self.schedules = [
            torch.optim.lr_scheduler.LambdaLR(optimiser, linear_decay(settings))
            for optimiser in self.optimisers
        ]
        self.average = None
        if settings.ema:
            average = get_ema_multi_avg_fn(settings.ema)
            self.average = AveragedModel(self.generator, multi_avg_fn=average, use_buffers=True)

    @property
    def trained(self) -> Generator:
        r"""The generator to use: the averaged one where there is one."""
        return self.generator if self.average is None else self.average.module

    def step(self, batch: Batch) -> tuple[Terms, Terms]:
        r"""One update of both networks; the generator's and the discriminator's terms."""
        update = self._simultaneous if self.config.training.simultaneous else self._alternating
        terms = update(batch)
        for schedule in self.schedules:
            schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.generator)
        return terms

    def _judge(self, batch: Batch, made: Synthesis):
        pictures = made.pictures()
        fake = judge(self.discriminator, batch.semantics, pictures)
        # The real image answers for first and final alike: it is judged once.
        once = {"edge": batch.edges, "image": batch.images}
        if "edge" not in pictures:
            del once["edge"]
        real = judge(self.discriminator, batch.semantics, once)
        return fake, {name: real["edge" if name == "edge" else "image"] for name in fake}

    def _simultaneous(self, batch: Batch) -> tuple[Terms, Terms]:
        r"""Both gradients from one forward pass of each network, then both updates [I]."""
        made = self.generator(batch.semantics)
        fake, real = self._judge(batch, made)
        generator_terms = self.objective.generator_terms(made, batch, fake, real)
        discriminator_terms = self.objective.discriminator_terms(fake, real)
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        generator_terms.total.backward(inputs=self.generator_parameters, retain_graph=True)
        discriminator_terms.total.backward(inputs=self.discriminator_parameters)
        for optimiser in self.optimisers:
            optimiser.step()
        return generator_terms, discriminator_terms

    def _alternating(self, batch: Batch) -> tuple[Terms, Terms]:
        r"""A generator step, then a discriminator step on freshly generated fakes [R]."""
        made = self.generator(batch.semantics)
        fake, real = self._judge(batch, made)
        generator_terms = self.objective.generator_terms(made, batch, fake, real)
        self.optimisers[0].zero_grad()
        generator_terms.total.backward(inputs=self.generator_parameters)
        self.optimisers[0].step()
        with torch.no_grad():
            made = self.generator(batch.semantics)
        fake, real = self._judge(batch, made)
        discriminator_terms = self.objective.discriminator_terms(fake, real)
        self.optimisers[1].zero_grad()
        discriminator_terms.total.backward(inputs=self.discriminator_parameters)
        self.optimisers[1].step()
        return generator_terms, discriminator_terms


def train(
    trainer: Trainer,
    batches: Iterator[Batch],
    *,
    log_every: int = 50,
    seconds: Number | None = None,
    after_step: Callable[[int, Trainer], None] | None = None,
) -> History:
    r"""Run the config's steps, or until ``seconds`` have passed; returns the logged rows.

    ``after_step`` is called with each step's number and the trainer, to look or to save.
    """
    steps, history, start = trainer.config.training.steps, History(), time.perf_counter()
    bar = tqdm(range(1, steps + 1), desc="training", disable=quiet())
    for step, batch in zip(bar, batches, strict=False):
        generator_terms, discriminator_terms = trainer.step(batch)
        elapsed = time.perf_counter() - start
        late = seconds is not None and elapsed >= seconds
        if step % log_every == 0 or step in (1, steps) or late:
            terms = generator_terms.weighted | {
                f"discriminator_{name}": value
                for name, value in discriminator_terms.weighted.items()
            }
            row = {name: value.item() for name, value in terms.items()}
            history.rows.append({"step": step, "seconds": elapsed} | row)
            bar.set_postfix(g=f"{sum(row.values()):.2f}")
        if after_step is not None:
            after_step(step, trainer)
        if late:
            break
    trainer.trained.eval()
    return history
