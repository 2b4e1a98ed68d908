r"""Where a run starts that does not start from nothing: with a trained generator."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from ecgan.config import ConfigError, ModelConfig
from ecgan.files.whole import RunError
from ecgan.method.generator import Generator
from ecgan.training.facts import name_of
from ecgan.training.settings import differences

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
    discriminator_first: int = 500

    def __post_init__(self):
        if self.discriminator_first < 0:
            raise ConfigError(f"discriminator_first is {self.discriminator_first}; 0 or more")

    def require(self, model: ModelConfig) -> None:
        r"""Raise :class:`RunError` where a run makes its generator otherwise."""
        words = ("in the weights", "in this run")
        theirs = asdict(self.generator.config)
        changed = differences(theirs, asdict(model), words=words, where="model.")
        if changed:
            raise RunError(
                f"the run cannot start from these weights ({'; '.join(changed)}): give the run the "
                f"model that the weights were made for"
            )

    def facts(self, model: ModelConfig) -> dict:
        r"""What a run of ``model`` that starts here depends on, as JSON; raises as ``require``."""
        self.require(model)
        weights = name_of(self.generator)
        return {"weights": weights, "discriminator_first": self.discriminator_first}

    def begin(self, generator: Generator) -> None:
        r"""Give a generator the weights. Raises :class:`RunError` where it is made otherwise."""
        self.require(generator.config)
        generator.load_state_dict(self.generator.state_dict())

    def waits(self, factor: Factor) -> Factor:
        r"""A factor of the learning rate that is 0 while the generator waits."""
        return lambda step: 0.0 if step < self.discriminator_first else factor(step)
