r"""Images a second, memory and share of the chip's measured peak, beside the released schedule."""

import statistics
from dataclasses import replace
from itertools import product

import torch
from common import CASES, Rows, clock, make_batch, make_trainer, parser
from torch.utils.flop_counter import FlopCounterMode

from ecgan.config import Config
from ecgan.fast import accelerate
from ecgan.training import Machine
from ecgan.training.compiled import compile_networks
from ecgan.training.recorded import record_updates

# Ours updates both networks from one forward pass; the released schedule takes turns.
WAYS = ("ours recorded", "ours", "released schedule", "released schedule recorded")
WAYS += ("ours distinct", "ours compiled")  # the first convolves distinct neighbourhoods only
WARM_UP, STEPS, SIDE = 3, 10, 8192
DTYPES = {"fp32": torch.float32, "tf32": torch.float32}
DTYPES |= {"bf16": torch.bfloat16, "fp16": torch.float16}


def peak(device: torch.device, precision: str, *, side: int) -> float:
    r"""Floating point operations a second of a product of large square matrices."""
    Machine(precision=precision, device=device)  # says whether TF32 is allowed
    one, other = (torch.randn(side, side, device=device, dtype=DTYPES[precision]) for _ in "ab")
    seconds = []
    for _ in range(WARM_UP + STEPS):
        start = clock(device)
        one @ other
        seconds.append(clock(device) - start)
    return 2 * side**3 / statistics.median(seconds[WARM_UP:])


def main(arguments: list[str] | None = None) -> list[dict]:
    made = parser(__doc__)
    cases = [name for name in CASES if name != "tiny"]
    made.add_argument("--cases", nargs="+", choices=CASES, default=cases)
    made.add_argument("--precisions", nargs="+", choices=DTYPES, default=["bf16", "fp32", "tf32"])
    made.add_argument("--batches", nargs="+", type=int, default=[1, 4, 16, 64])
    made.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    made.add_argument("--steps", type=int, default=STEPS)
    made.add_argument("--side", type=int, default=SIDE, help="of the matrices for the peak")
    chosen = made.parse_args(arguments)
    rows, peaks = Rows(chosen, what="speed"), {}

    def config_of(case: str, precision: str, batch: int, way: str) -> Config:
        training = replace(
            CASES[case].training,
            precision=precision,
            batch_size=batch,
            simultaneous=not way.startswith("released"),
        )
        return replace(CASES[case], training=training)

    def measure(case: str, precision: str, batch: int, way: str) -> dict:
        config = config_of(case, precision, batch, way)
        machine = Machine(precision=precision, device=chosen.device)
        trainer = make_trainer(config, machine, compiled=False)
        inputs = make_batch(config, chosen.device)
        with FlopCounterMode(display=False) as counter:
            trainer.step(inputs)
        if way == "ours compiled":
            compile_networks(trainer)
        elif way == "ours distinct":
            accelerate(trainer.generator, gather=True)
        elif way.endswith("recorded"):
            record_updates(trainer)
        seconds = []
        for _ in range(WARM_UP + chosen.steps):
            start = clock(chosen.device)
            trainer.step(inputs)
            seconds.append(clock(chosen.device) - start)
        seconds = seconds[WARM_UP:]
        if precision not in peaks:
            peaks[precision] = peak(chosen.device, precision, side=chosen.side)
        middle = statistics.median(seconds)
        return {
            "images_a_second": batch / middle,
            "spread": [batch / max(seconds), batch / min(seconds)],
            "operations": counter.get_total_flops(),
            "peak": peaks[precision],
            "share_of_peak": counter.get_total_flops() / middle / peaks[precision],
            "config": config.to_dict(),
        }

    for case, precision, batch, way in product(
        chosen.cases, chosen.precisions, chosen.batches, chosen.ways
    ):
        rows.measure(measure, case=case, precision=precision, batch=batch, way=way)
    return rows.made


if __name__ == "__main__":
    main()
