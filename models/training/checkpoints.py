"""Averaged weights out of the checkpoints that a training run leaves."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from torch import Tensor, nn

LOG = logging.getLogger(__name__)
CHECKPOINT = "checkpoint.pt"


def load_averaged(net: nn.Module, checkpoint: Path) -> None:
    """Put a checkpoint's averaged weights into `net`."""
    net.load_state_dict(read_averaged(checkpoint))


def load_shared(net: nn.Module, checkpoint: Path) -> None:
    """Put the averaged weights of another network's checkpoint into `net` where names and shapes agree."""
    own = net.state_dict()
    shared = {k: v for k, v in read_averaged(checkpoint).items() if k in own and own[k].shape == v.shape}
    if not shared:
        raise ValueError(f"{checkpoint} shares no layer with this network; start from a network with the same trunk.")
    net.load_state_dict(shared, strict=False)
    LOG.info("started with %d of %d tensors of %s", len(shared), len(own), checkpoint)


def read_averaged(checkpoint: Path) -> dict[str, Tensor]:
    """A checkpoint's averaged weights by their names in the network."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["average"]
    prefix = "module."
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
