r"""ECGAN: edge guided GANs with contrastive learning for semantic image synthesis."""

from ecgan.config import ModelConfig, preset
from ecgan.discriminator import Discriminator
from ecgan.generator import Generator, Synthesis

__all__ = ["Discriminator", "Generator", "ModelConfig", "Synthesis", "preset"]
__version__ = "0.1.0"
