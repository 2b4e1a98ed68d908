r"""ECGAN: edge guided GANs with contrastive learning for semantic image synthesis.

What most people want stands here, imported when it is asked for:

    from ecgan import preset, shipped, synthesize
"""

from ecgan.lazy import face

__version__ = "0.2.0"
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
__getattr__ = face(__name__, FACE)


def __dir__() -> list[str]:
    return sorted([*globals(), *FACE])
