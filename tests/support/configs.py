r"""Configs as files hold them, some of which were written before a field was there."""

import json
from dataclasses import asdict

from ecgan.config import ContrastConfig, DataConfig, LossConfig, TrainingConfig

USUAL = {
    "training": TrainingConfig(),
    "losses": LossConfig(),
    "data": DataConfig(name="toy"),
}


def with_defaults(written: dict) -> dict:
    r"""The config of a file; a field that came later has its default."""
    usual = json.loads(json.dumps({name: asdict(part) for name, part in USUAL.items()}))
    whole = {name: usual.get(name, {}) | part for name, part in written.items()}
    contrast = json.loads(json.dumps(asdict(ContrastConfig())))
    whole["losses"]["contrast"] = contrast | whole["losses"]["contrast"]
    return whole
