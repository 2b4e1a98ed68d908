r"""What a config refuses: values out of range, and choices that do not go together."""

from typing import TYPE_CHECKING, Literal, get_args

from ecgan.errors import EcganError

if TYPE_CHECKING:
    from ecgan.config import (
        Config,
        ContrastConfig,
        DataConfig,
        LossConfig,
        ModelConfig,
        TrainingConfig,
    )

DOUBLINGS = {"normal": 5, "more": 6, "most": 7}
Precision = Literal["fp32", "tf32", "bf16", "fp16"]
LARGEST_SEED = 2**31 - 1  # each process adds its own share to it, and numpy takes 32 bits
TRUNK_SCALES = 7  # feature maps of the trunk, one more for "most"


class ConfigError(EcganError):
    r"""A value in a config that no model can be built from."""


def require(condition: bool, message: str) -> None:
    r"""Raise :class:`ConfigError` with the message unless the condition holds."""
    if not condition:
        raise ConfigError(message)


def at_least(least: int, part: str, holder: object, *names: str) -> None:
    r"""Raise :class:`ConfigError` for the first of the fields that is smaller."""
    for name in names:
        value = getattr(holder, name)
        require(value >= least, f"{part}.{name} is {value}; it must be >= {least}")


def check_model(model: "ModelConfig") -> None:
    r"""Sizes and widths of a model, and parts that need each other."""
    allowed = ", ".join(f'"{name}"' for name in DOUBLINGS)
    require(
        model.upsampling in DOUBLINGS,
        f"model.upsampling is {model.upsampling!r}; allowed are {allowed}",
    )
    require(
        1 <= model.classes <= 255,
        f"model.classes is {model.classes}; allowed are 1 to 255, because label maps are 8-bit "
        f"files in which 255 means don't care",
    )
    at_least(1, "model", model, "base_channels", "spade_hidden")
    require(
        model.upsampling != "most" or model.base_channels % 2 == 0,
        f'model.base_channels is {model.base_channels}; "most" halves it, so it must be even',
    )
    require(
        model.max_channels is None or model.max_channels >= model.base_channels,
        f"model.max_channels is {model.max_channels}; it must be at least base_channels "
        f"({model.base_channels}), or None for no cap",
    )
    step = 2**model.doublings
    for name in ("height", "width"):
        size = getattr(model, name)
        require(
            size >= step and size % step == 0,
            f'model.{name} is {size}; upsampling "{model.upsampling}" doubles {model.doublings} '
            f"times, so {name} must be a multiple of {step}, such as "
            f"{max(step, size // step * step)}",
        )
    require(
        model.edge_branch or not model.edge_transfer,
        "model.edge_transfer is on but model.edge_branch is off; there is no edge to transfer: "
        "switch edge_transfer off too, with edge_transfer=False",
    )


def check_contrast(contrast: "ContrastConfig") -> None:
    r"""Numbers of the contrastive loss."""
    part = "losses.contrast"
    require(
        0 < contrast.temperature < float("inf"),
        f"{part}.temperature is {contrast.temperature}; it divides the similarities, so it must be "
        f"above 0 (0.1 is usual)",
    )
    at_least(1, part, contrast, "per_class", "dim", "scales")
    at_least(0, part, contrast, "memory_per_class")
    require(
        contrast.across_layouts or not contrast.memory_per_class,
        f"{part}.memory_per_class is {contrast.memory_per_class} but {part}.across_layouts is off; "
        f"what is remembered comes from other layouts: use memory_per_class=0, or "
        f"across_layouts=True",
    )
    if contrast.together is not None:
        at_least(1, part, contrast, "together")
        require(
            contrast.across_layouts and not contrast.memory_per_class,
            f"{part}.together is {contrast.together}; groups of layouts need across_layouts=True, "
            f"and memory_per_class=0, for what is remembered is of no group",
        )


def check_losses(losses: "LossConfig") -> None:
    r"""What is drawn for the losses."""
    pairs = losses.similarity_pairs
    require(
        pairs is None or pairs >= 2,
        f"losses.similarity_pairs is {pairs}; at least 2, or None for every pair",
    )


def check_training(training: "TrainingConfig") -> None:
    r"""The optimiser and its schedule."""
    at_least(1, "training", training, "steps", "batch_size", "accumulate")
    formats = get_args(Precision)
    require(
        training.precision in formats,
        f"training.precision is {training.precision!r}; allowed are {', '.join(formats)}",
    )
    for name in ("generator_rate", "discriminator_rate"):
        rate = getattr(training, name)
        require(0 < rate < 1, f"training.{name} is {rate}; a learning rate is above 0 and below 1")
    require(
        all(0 <= beta < 1 for beta in training.betas),
        f"training.betas is {training.betas}; each is 0 or more, and below 1, such as 0 and 0.9",
    )
    require(
        0 <= training.constant <= 1,
        f"training.constant is {training.constant}; it is the share of the steps at full rate, 0 "
        f"to 1",
    )
    require(
        0 <= training.ema < 1,
        f"training.ema is {training.ema}; a decay is 0 (none) or more, and below 1",
    )
    require(
        0 <= training.seed <= LARGEST_SEED,
        f"training.seed is {training.seed}; allowed are 0 to {LARGEST_SEED}",
    )


def check_data(data: "DataConfig") -> None:
    r"""Sizes and numbers of what is loaded."""
    for name in ("load_size", "images", "crops_per_image"):
        if getattr(data, name) is not None:
            at_least(1, "data", data, name)
    if data.scale is not None:
        low, high = data.scale
        require(
            0 < low <= high < float("inf"),
            f"data.scale is {data.scale}; two positive numbers, the smaller first: 1 1 cuts at "
            f"native resolution",
        )
        require(
            data.load_size is None,
            f"data.scale cuts crops out, data.load_size ({data.load_size}) fits whole pictures: "
            f"set one of them",
        )


def check_whole(config: "Config") -> None:
    r"""What fits together only as a whole."""
    model, contrast = config.model, config.losses.contrast
    smallest = 2**model.doublings
    require(
        config.training.batch_size > 1 or max(model.height, model.width) > smallest,
        f"training.batch_size is {config.training.batch_size}, and at {model.height} x "
        f"{model.width} pixels the trunk starts from a single one: batch norm needs two values "
        f"at least; use batch_size=2, or height={2 * smallest}",
    )
    most = TRUNK_SCALES + (model.upsampling == "most")
    require(
        contrast.scales <= most,
        f"losses.contrast.scales is {contrast.scales}; this trunk has {most}: 1 to {most}",
    )
    losses = config.losses
    judged = (losses.adversarial, losses.feature_matching, losses.perceptual)
    read = (losses.contrastive, losses.similarity, losses.class_specific, losses.cross_entropy)
    require(
        any(read) or (any(judged) and any((losses.edge, losses.first, losses.final))),
        "the losses' weights are 0, or those of the pictures that they look at are: nothing "
        "would teach the generator; give one a weight, such as adversarial=1, and final=2",
    )
