r"""``ecgan train``: a generator, from the toy world or from a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, arg

from ecgan.cli import PresetName
from ecgan.cli.errors import CommandError
from ecgan.config import Config, DataConfig, LossConfig, ModelConfig, TrainingConfig
from ecgan.options import draft, draft_of, finished
from ecgan.presets import PRESETS
from ecgan.training.settings import DISCRIMINATOR_FIRST, RunSettings

if TYPE_CHECKING:
    from ecgan.training.outcome import Outcome

PARTS = ("train", "val", "training", "validation")


def with_defaults_of(preset_name: str) -> Callable[..., int]:
    r"""The training command with the defaults of a preset: they differ, and --help shows them."""
    preset = PRESETS[preset_name]
    usual, settings = draft(preset), draft(RunSettings())

    def train(
        *,
        out: Annotated[Path | None, arg(aliases=["-o"])] = None,
        config: PresetName = preset_name,
        data: Path | None = None,
        segmenter: str | None = None,
        start: str | None = None,
        discriminator_first: int = DISCRIMINATOR_FIRST,
        run: OmitArgPrefixes[draft_of(RunSettings)] = settings,
        training: OmitArgPrefixes[draft_of(TrainingConfig)] = usual.training,
        losses: draft_of(LossConfig) = usual.losses,
        model: draft_of(ModelConfig) = usual.model,
        loading: Annotated[draft_of(DataConfig), arg(name="data")] = usual.data,
    ) -> int:
        r"""Train a generator; the same command again goes on where the last one ended.

        OUT gets generator.safetensors, log.jsonl, samples/, checkpoints/ and run.json. Several
        GPUs: accelerate launch --multi_gpu -m ecgan train ...

        Args:
            out: The folder of this run, made where needed; runs/ and the preset's name unless
                given, or that of a folder of your own.
            config: The preset from which every option below starts.
            data: A folder of images and layouts, see ecgan doctor; the toy world draws its own.
            segmenter: The label generator: a .safetensors file made by ecgan segmenter, or
                segformer:NAME for one of the Hugging Face hub. The toy world has its own.
            start: A trained generator to go on from, rather than from nothing: one that ships, a
                .safetensors file, or the folder of a run.
            discriminator_first: With --start, the steps in which only the new discriminator learns.
            run: What the run does besides its steps.
            training: The optimiser and its schedule.
            losses: Weights of the terms; 0 switches one off.
            model: What the networks are made of.
            loading: What is loaded, and how.
        """
        parts = {"model": model, "losses": losses, "training": training, "data": loading}
        whole = Config(**{name: finished(part) for name, part in parts.items()})
        whole = adapted(whole, data)
        folder = out or usual_folder(preset_name, data)
        outcome = train_run(
            whole,
            folder,
            data=data,
            segmenter=segmenter,
            start=start,
            discriminator_first=discriminator_first,
            settings=finished(run),
        )
        if outcome.trainer.machine.is_main:
            print(report(outcome, folder))
        return 0

    return train


def usual_folder(preset_name: str, data: Path | None) -> Path:
    r"""Where a run goes unless told: two data sets of one's own do not meet in one folder."""
    if data is None or preset_name != "toy":
        return Path("runs", preset_name)
    named = [name for name in data.resolve().parts[1:] if name not in PARTS]
    return Path("runs", named[-1] if named else preset_name)


def adapted(config: Config, data: Path | None) -> Config:
    r"""The config with the classes that the folder wants; which, and why, is said."""
    from ecgan.data.folders.classes import decide_classes

    decision = decide_classes(config, data)
    if data is not None:
        print(decision.why)
    return decision.config


def default_segmenter(config: Config, data: Path | None) -> str | None:
    r"""The one that ships for the toy world or the aerial photographs; None for other data sets."""
    from ecgan.data import toy
    from ecgan.data.folders.classes import read_classes

    if config.data.name == "aerial":
        return "aerial_segmenter"
    toy_world = data is None and config.data.name == "toy"
    own = data is not None and read_classes(data) == tuple(toy.CLASSES)
    return "toy_segmenter" if toy_world or own else None


def train_run(
    config: Config,
    out: Path,
    *,
    data: Path | None = None,
    segmenter: str | None = None,
    start: str | None = None,
    discriminator_first: int = DISCRIMINATOR_FIRST,
    settings: RunSettings | None = None,
) -> "Outcome":
    r"""Train into ``out`` or go on there; see :func:`ecgan.training.fit`.

    ``segmenter`` names the label generator as :func:`ecgan.weights.named.find_segmenter` takes it.
    ``start`` names a generator as :func:`ecgan.weights.named.find_generator` takes it. VGG-19 is
    fetched where the losses want it, the lite network comes with its package.
    """
    from ecgan.data.folders.scenes import find_convention
    from ecgan.readers.perceptual import published_features
    from ecgan.training.run import fit
    from ecgan.training.start import Start
    from ecgan.weights.named import find_generator, find_segmenter

    if data is None and config.data.name != "toy":
        raise CommandError(f"{config.data.name} needs --data FOLDER; see ecgan fetch --help")
    if data is not None:
        find_convention(data)
    name, losses = segmenter or default_segmenter(config, data), config.losses
    if name is None and losses.segmenter_terms:
        named = " and ".join(f"losses.{term}" for term in losses.segmenter_terms)
        off = " ".join(f"losses.{term}=0" for term in losses.segmenter_terms)
        need = "need" if len(losses.segmenter_terms) > 1 else "needs"
        raise CommandError(
            f"{named} {need} a label generator: make one with ecgan segmenter and name "
            f"it with --segmenter; or switch them off, with {off}"
        )
    network = find_segmenter(name, classes=config.model.classes) if name else None
    begin = None
    if start is not None:
        generator = find_generator(start)
        begin = Start(generator=generator, discriminator_first=discriminator_first)
        begin.require(config)  # before anything is fetched
    perceptual = published_features(losses)
    return fit(
        config,
        out,
        data=data,
        segmenter=network,
        perceptual=perceptual,
        start=begin,
        settings=settings,
    )


def report(outcome: "Outcome", out: Path) -> str:
    r"""What the user reads at the end of a call."""
    from ecgan.weights.named import RESULT

    settings = outcome.trainer.config.training
    steps, lasts = settings.steps, round(1 / (1 - settings.ema))
    lines = [f"note: {complaint}; went on from an older one" for complaint in outcome.complaints]
    wrote = f"wrote {out / RESULT}" if outcome.result else f"left {RESULT} out"
    if outcome.already:
        lines.append(f"already finished {steps} steps, nothing done; see {out / RESULT}")
    elif outcome.ended == "finished":
        lines.append(f"finished {steps} steps; {wrote}")
    else:
        lines.append(
            f"{outcome.ended} at step {outcome.step} of {steps}; {wrote}. The same command goes on "
            f"from here"
        )
    if settings.ema and outcome.step < 3 * lasts:
        lines.append(
            f"note: {RESULT} is an average over about {lasts} steps, so after {outcome.step} it "
            f"still shows the beginning; for a run this short say --ema 0"
        )
    return "\n".join(lines)
