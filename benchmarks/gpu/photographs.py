r"""Train on a folder of photographs by the clock; the same command goes on with it.

After every ``--every`` minutes there is a checkpoint, a sheet of samples and a network; at the end
the network in 16 bits. Half a line is lost at most, whenever the machine is taken away.
"""

import time
from dataclasses import replace
from pathlib import Path

from common import Rows, parser

from ecgan.cli.train import train_run
from ecgan.data.source import Source
from ecgan.presets import PRESETS
from ecgan.training import Machine, RunSettings
from ecgan.training.log import write_sheet
from ecgan.training.run import EXAMPLES
from ecgan.weights.checkpoint import save


def main(arguments: list[str] | None = None) -> list[dict]:
    made = parser(__doc__)
    made.add_argument("data", type=Path, nargs="?", help="the toy world without")
    made.add_argument("--config", choices=PRESETS, default="toy")
    made.add_argument("--out", type=Path, required=True)
    made.add_argument("--segmenter")
    made.add_argument("--size", type=int, help="height and width; the preset's unless given")
    made.add_argument("--steps", type=int, help="of the whole run, over all commands")
    made.add_argument("--batch-size", type=int)
    made.add_argument("--precision", default="bf16")
    made.add_argument("--every", type=float, default=1.0, help="minutes")
    made.add_argument("--workers", type=int, default=8)
    made.add_argument("--compile", action="store_true")
    chosen = made.parse_args(arguments)
    config, rows = PRESETS[chosen.config], Rows(chosen, what="photographs")
    wanted = {"steps": chosen.steps, "batch_size": chosen.batch_size}
    wanted = {name: value for name, value in wanted.items() if value is not None}
    training = replace(config.training, precision=chosen.precision, **wanted)
    model = config.model
    if chosen.size is not None:
        model = replace(model, height=chosen.size, width=chosen.size)
    config = replace(config, training=training, model=model)
    settings = RunSettings(
        minutes=chosen.every,
        sample_every=0,
        log_every=10,
        workers=chosen.workers if chosen.data else 0,
        cpu=chosen.device.type == "cpu",
        compile=chosen.compile,
    )
    ended = ""
    while ended not in ("finished", "stopped") and not rows.late:
        start = time.perf_counter()
        outcome = train_run(
            config, chosen.out, data=chosen.data, segmenter=chosen.segmenter, settings=settings
        )
        ended, trainer = outcome.ended, outcome.trainer
        if outcome.generator is None or outcome.already:
            break
        source = Source(
            config=trainer.config, machine=Machine(device=chosen.device), data=chosen.data
        )
        sheet = chosen.out / "samples" / f"{outcome.step:08d}.png"
        write_sheet(sheet, outcome.generator, source.examples(EXAMPLES))
        save(chosen.out / "generator_half.safetensors", outcome.generator.cpu(), half=True)
        row = outcome.history.rows[-1] | {"took": time.perf_counter() - start, "ended": ended}
        row.pop("step")
        rows.measure(lambda row=row, **_: row, out=str(chosen.out), step=outcome.step)
    return rows.made


if __name__ == "__main__":
    main()
