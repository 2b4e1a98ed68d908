r"""ECGAN: edge guided GANs with contrastive learning for semantic image synthesis.

What most people want stands here, imported when it is asked for:

    from ecgan import preset, shipped, synthesize
"""

from importlib import import_module

__version__ = "0.1.0"
FACE = {
    "Config": "ecgan.config",
    "ModelConfig": "ecgan.config",
    "preset": "ecgan.presets",
    "Generator": "ecgan.method.generator",
    "Synthesis": "ecgan.method.generator",
    "Discriminator": "ecgan.method.discriminator",
    "shipped": "ecgan.weights.checkpoint",
    "load": "ecgan.weights.checkpoint",
    "synthesize": "ecgan.synthesis",
    "save_png": "ecgan.synthesis",
}
__all__ = [*FACE]


def __getattr__(name: str):
    r"""Import a name of the face; a package that imports torch at once would make help slow."""
    if name not in FACE:
        raise AttributeError(f"module 'ecgan' has no attribute {name!r}")
    return getattr(import_module(FACE[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *FACE])
