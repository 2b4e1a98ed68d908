r"""One update of both networks, from layouts to new weights (chapter 09)."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ecgan.method.batch import Batch
from ecgan.method.losses.finite import unchecked
from ecgan.method.losses.objective import Terms
from ecgan.training.guard import explain, gradient_norm

if TYPE_CHECKING:
    from ecgan.training.trainer import Player, Trainer

Moving = tuple[str, ...]
Numbers = tuple[list[str], Tensor]  # names, and their values in one tensor on the device
# Who moves in a turn. Together, from one forward pass [I]; or the generator first, and then the
# discriminator, on what the moved generator paints [R].
TOGETHER: tuple[Moving, ...] = (("generator", "discriminator"),)
ALTERNATING: tuple[Moving, ...] = (("generator",), ("discriminator",))


def step(trainer: "Trainer", batches: Sequence[Batch]) -> dict[str, float]:
    r"""Update both networks once; returns the weighted terms and the lengths of the gradients.

    All numbers stay on the device until they are looked at together, here: one question a step, for
    a device that is asked has to finish first. Who moves in a turn with a number that is none has
    not moved by then. It raises NonFiniteLoss.
    """
    names, values = trainer.update(batches)
    found = dict(zip(names, values.tolist(), strict=True))
    stop_at_nonsense(trainer, batches, found)
    return found


def update(trainer: "Trainer", batches: Sequence[Batch]) -> Numbers:
    r"""Forward, backward, and the optimisers; the device is asked for nothing.

    The gradients of several batches are averaged, and so are those of several processes. Where a
    number is none, the optimisers of its turn are told of it, and do nothing; a gradient scaler
    decides for each by its own gradients.
    """
    numbers: dict[str, Tensor] = {}
    together = trainer.config.training.simultaneous
    for moving in TOGETHER if together else ALTERNATING:
        players = {name: trainer.players[name] for name in moving}
        for player in players.values():
            player.optimiser.zero_grad()
        for batch in batches:
            with unchecked():
                terms = forward(trainer, batch, moving)
                # The generator goes last: as its gradients come, maps go.
                for name in reversed(moving):
                    mean = terms[name].total / len(batches)
                    loss = trainer.machine.scaler.scale(mean)
                    own = players[name].parameters
                    loss.backward(inputs=own, retain_graph=name != moving[0])
                add(numbers, terms, share=1 / len(batches))
        for name, player in players.items():
            several = trainer.machine.processes > 1
            trainer.machine.average(gradients(player, all_of_them=several))
            trainer.machine.scaler.unscale_(player.optimiser)
            numbers[f"{name}_gradient"] = gradient_norm(player.parameters)
        finite = [value.isfinite() for value in numbers.values()]
        bad = ~torch.stack(finite).all()
        for player in players.values():
            player.optimiser.found_inf = bad.float()  # then Adam does nothing
            trainer.machine.scaler.step(player.optimiser)
    return list(numbers), torch.stack([value.float() for value in numbers.values()])


def forward(
    trainer: "Trainer",
    batch: Batch,
    moving: Moving,
) -> dict[str, Terms]:
    r"""Paint, discriminate, and sum up the losses of the networks that move."""
    objective, terms = trainer.objective, {}
    with trainer.machine.autocast():
        with torch.set_grad_enabled("generator" in moving):
            made = trainer.generator(batch.semantics)
        painted = made.pictures()
        # The real image answers for the first and for the final one.
        real = {"real edge": batch.edges} if "edge" in painted else {}
        real["real image"] = batch.images
        discriminate = trainer.discriminator.discriminate
        judged = discriminate(batch.semantics, painted | real)
        fake = {name: judged[name] for name in painted}
        models = dict.fromkeys(painted, "real image") | {"edge": "real edge"}
        real = {name: judged[models[name]] for name in painted}
        if "generator" in moving:
            own = objective.generator_terms(made, batch, fake, real)
            terms["generator"] = own
        if "discriminator" in moving:
            own = objective.discriminator_terms(fake, real)
            terms["discriminator"] = own
    return terms


def add(numbers: dict[str, Tensor], terms: dict[str, Terms], *, share: float) -> None:
    r"""Add a batch's weighted terms to ``numbers``, the discriminator's under "discriminator_"."""
    for network, own in terms.items():
        for term, value in own.weighted.items():
            name = term if network == "generator" else f"{network}_{term}"
            numbers[name] = numbers.get(name, 0) + share * value.detach()


def gradients(player: "Player", *, all_of_them: bool) -> list[Tensor]:
    r"""A network's gradients; a missing one may be there in other processes, so it is made 0."""
    for parameter in player.parameters if all_of_them else []:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    return [parameter.grad for parameter in player.parameters if parameter.grad is not None]


def stop_at_nonsense(trainer: "Trainer", batches: Sequence[Batch], found: dict[str, float]) -> None:
    r"""Raise where a number is none, and say which network, term and input it comes from.

    With a gradient scaler a gradient may overflow: that update is passed over, the scale lowered.
    """
    bad = [name for name, value in found.items() if not math.isfinite(value)]
    if trainer.machine.scaler.is_enabled() and all(name.endswith("_gradient") for name in bad):
        trainer.adjust_scale(overflowed=bool(bad))
    elif bad:
        trainer.objective.part_ways()
        at_fault = {name.startswith("discriminator_") for name in bad}
        players = [name for name in trainer.players if (name == "discriminator") in at_fault]
        raise explain(
            lambda batch, name: forward(trainer, batch, (name,))[name],
            batches,
            {name: trainer.players[name].parameters for name in players},
        )
