"""The second network of a run that learns against one: its optimiser and its steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import nn

from .options import TrainConfig

GRADIENT = 10.0  # norm that gradients are cut at


@runtime_checkable
class Opposed(Protocol):
    """What a recipe brings besides when its network learns against another one.

    `loss` holds the terms of both; those of the one must not reach the weights of the other.
    """

    opponent_rate: float  # in units of the network's own rate

    @property
    def opponent(self) -> nn.Module:
        """The other network; it has its own optimiser and is not averaged."""
        ...


@dataclass(frozen=True)
class Opposition:
    """The network that a run's own learns against, and how it learns."""

    net: nn.Module
    optimiser: torch.optim.AdamW
    rate: float  # in units of the network's own

    @staticmethod
    def of(recipe: Opposed, config: TrainConfig) -> Opposition:
        """Of a recipe; moved to the run's device."""
        net = recipe.opponent.to(config.device).train()
        betas = (0.5, 0.99)  # what is right changes as the other learns: shorter memory
        optimiser = torch.optim.AdamW(net.parameters(), lr=config.rate, betas=betas, weight_decay=0.0)
        return Opposition(net, optimiser, recipe.opponent_rate)

    def step(self, rate: float) -> None:
        """One step at the network's `rate`, unless the gradient is not finite."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate * self.rate
        if torch.isfinite(nn.utils.clip_grad_norm_(self.net.parameters(), GRADIENT)):
            self.optimiser.step()
