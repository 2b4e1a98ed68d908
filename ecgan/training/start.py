r"""Where a run starts that does not start from nothing: with a trained generator."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from ecgan.config import Config, ConfigError
from ecgan.files.whole import RunError
from ecgan.method.generator import Generator
from ecgan.training.facts import name_of
from ecgan.training.settings import DISCRIMINATOR_FIRST, differences

Factor = Callable[[int], float]


@dataclass(frozen=True, kw_only=True)
class Start:
    r"""A generator to go on from, and how long it waits for a discriminator that knows nothing.

    A generator comes alone: of its discriminator nothing is kept. A new one has no opinion yet,
    and to follow it would lead away from what was learned. So for the first ``discriminator_first``
    steps the learning rate of the generator, and of the contrast's projections, is 0; then the
    schedule is as ever [I]. Raises :class:`ecgan.config.ConfigError` for a number below 0.
    """

    generator: Generator
    discriminator_first: int = DISCRIMINATOR_FIRST

    def __post_init__(self):
        if self.discriminator_first < 0:
            raise ConfigError(f"discriminator_first is {self.discriminator_first}; 0 or more")

    def require(self, config: Config) -> None:
        r"""Raise :class:`RunError` for a run of another model, or one whose every step waits."""
        steps = config.training.steps
        if self.discriminator_first >= steps:
            raise RunError(
                f"the generator would wait for {self.discriminator_first} steps, and the run has "
                f"{steps}: make discriminator_first smaller, or train for longer"
            )
        words = ("in the weights", "in this run")
        theirs = asdict(self.generator.config)
        changed = differences(theirs, asdict(config.model), words=words, where="model.")
        if changed:
            raise RunError(
                f"the run cannot start from these weights ({'; '.join(changed)}): give the run the "
                f"model that the weights were made for"
            )

    def facts(self, config: Config) -> dict:
        r"""What a run that starts here depends on, as JSON; raises as ``require`` does."""
        self.require(config)
        weights = name_of(self.generator)
        return {"weights": weights, "discriminator_first": self.discriminator_first}

    def begin(self, generator: Generator, config: Config) -> None:
        r"""Give a run's generator the weights; raises as ``require`` does."""
        self.require(config)
        generator.load_state_dict(self.generator.state_dict())

    def waits(self, factor: Factor) -> Factor:
        r"""A factor of the learning rate that is 0 while the generator waits."""
        return lambda step: 0.0 if step < self.discriminator_first else factor(step)
