r"""The published presets, the toy world's, and that of the aerial photographs."""

from ecgan.config import (
    Config,
    ConfigError,
    ContrastConfig,
    DataConfig,
    LossConfig,
    ModelConfig,
    TrainingConfig,
)

PRESETS: dict[str, Config] = {
    "toy": Config(
        model=ModelConfig(
            classes=9, height=64, width=64, base_channels=16, spade_hidden=32, max_channels=128
        ),
        data=DataConfig(name="toy", images=4096, flip=False),
        losses=LossConfig(
            cross_entropy=1.0,
            perceptual_features="segmenter",
            contrastive=0.3,
            contrast=ContrastConfig(per_class=32, dim=32),
        ),
        training=TrainingConfig(
            steps=1600, generator_rate=6e-4, discriminator_rate=6e-4, constant=0.5, ema=0.995
        ),
    ),
    "aerial": Config(
        model=ModelConfig(
            classes=5,
            dont_care=True,
            height=128,
            width=128,
            base_channels=24,
            spade_hidden=48,
            max_channels=192,
        ),
        # Not flipped: all the photographs' shadows fall the same way.
        data=DataConfig(name="aerial", flip=False, scale=(1.0, 1.0)),
        losses=LossConfig(
            perceptual=1.0,
            perceptual_features="lite",
            contrastive=0.3,
            contrast=ContrastConfig(per_class=32, dim=32),
        ),
        training=TrainingConfig(
            steps=4000,
            generator_rate=4e-4,
            discriminator_rate=4e-4,
            constant=0.4,
            ema=0.998,
        ),
    ),
    "facades": Config(
        model=ModelConfig(classes=12), data=DataConfig(name="facades", load_size=286)
    ),
    "cityscapes": Config(
        model=ModelConfig(
            classes=35, instance_boundaries=True, height=256, width=512, upsampling="more"
        ),
        data=DataConfig(name="cityscapes"),
    ),
    "ade20k": Config(
        model=ModelConfig(classes=150, dont_care=True),
        data=DataConfig(name="ade20k", load_size=286),
    ),
    "coco_stuff": Config(
        model=ModelConfig(classes=182, dont_care=True, instance_boundaries=True),
        data=DataConfig(name="coco_stuff", load_size=286),
    ),
}


def preset(name: str) -> Config:
    r"""The preset "facades", "cityscapes", "ade20k" or "coco_stuff" [R], "toy" or "aerial" [I]."""
    if name not in PRESETS:
        raise ConfigError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]
