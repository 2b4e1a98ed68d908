r"""Golden cases: what the authors' released networks gave for weights made from names and shapes.

A case (`golden/*.npz`) holds inputs, outputs and losses in float32 on a CPU, in evaluation mode.
`state_dicts` rebuilds the very weights under the authors' names.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import torch

from ecgan.config import ModelConfig

GOLDEN = Path(__file__).parent / "golden"


def tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    r"""The array of one entry: a seeded draw, scaled so that activations stay of order 1."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("num_batches_tracked"):
        return np.array(1)
    if name.endswith("running_mean"):
        return rng.normal(0, 0.1, shape).astype(np.float32)
    if name.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if len(shape) < 2:  # biases
        return rng.normal(0, 0.1, shape).astype(np.float32)
    fan_in = int(np.prod(shape[1:]))
    return rng.normal(0, (0.7 / fan_in) ** 0.5, shape).astype(np.float32)


def spectral_vectors(weight: np.ndarray, steps: int = 100) -> tuple[np.ndarray, np.ndarray]:
    r"""Left and right leading singular vectors of `weight` as an (out, rest) matrix."""
    matrix = weight.reshape(len(weight), -1).astype(np.float64)
    v = np.ones(matrix.shape[1]) / matrix.shape[1] ** 0.5
    for _ in range(steps):
        u = matrix @ v
        u /= np.linalg.norm(u)
        v = matrix.T @ u
        v /= np.linalg.norm(v)
    return u.astype(np.float32), v.astype(np.float32)


def weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    r"""Every weight for names and shapes; spectral vectors are the weights' own."""
    made = {
        name: tensor(name, tuple(shape))
        for name, shape in shapes.items()
        if not name.endswith(("weight_u", "weight_v"))
    }
    for name in [n for n in made if n.endswith("weight_orig")]:
        stem = name.removesuffix("weight_orig")
        made[stem + "weight_u"], made[stem + "weight_v"] = spectral_vectors(made[name])
    return made


class Case:
    r"""One golden file: its config, inputs as tensors, outputs, and weights `G.*` and `D.*`."""

    def __init__(self, name: str):
        self.arrays = dict(np.load(GOLDEN / f"{name}.npz"))
        self.config = ModelConfig(**json.loads(str(self.arrays["config"])))
        self.weights = weights(json.loads(str(self.arrays["shapes"])))
        labels = torch.from_numpy(self.arrays["label"]).long()
        # In the file don't care is index N, as it leaves the authors' loader.
        self.labels = torch.where(labels == self.config.classes, 255, labels)
        self.instances = torch.from_numpy(self.arrays["instance"]).long()

    def state(self, letter: str) -> dict[str, np.ndarray]:
        r"""The weights of "G" or "D", with their prefix."""
        return {name: w for name, w in self.weights.items() if name.startswith(letter + ".")}

    def __getitem__(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[name]).float()
