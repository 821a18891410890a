"""Several processes that train one network, as `torchrun` starts them; a process on its own is one of one.

`torchrun --nproc_per_node=2 -m models.training.regressor ...` runs any recipe as it is. Every process makes the same
batches and takes its share of each, gradients are averaged (`DistributedDataParallel`), and the first process alone
writes, saves and validates. The loss is that of one process up to rounding, with two exceptions: on a CPU batch
normalisation sees the share alone (on CUDA it is synchronised), and terms that compare the pictures of a batch with
one another compare those of a share.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

Terms = dict[str, Tensor]
Rows = TypeVar("Rows", np.ndarray, Tensor)  # of a batch's samples


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is."""

    device: str = "cpu"
    rank: int = 0
    count: int = 1

    @staticmethod
    def join(device: str) -> Ranks:
        """Meet the others that `torchrun` tells of in the environment; on CUDA each takes the GPU of its number."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return Ranks(device)
        cuda = device.startswith("cuda")
        if cuda:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        if not distributed.is_initialized():
            distributed.init_process_group("nccl" if cuda else "gloo")
        return Ranks(device, distributed.get_rank(), count)

    @property
    def leads(self) -> bool:
        """Whether this process writes, saves and validates."""
        return self.rank == 0

    def check_batch(self, size: int) -> None:
        """Raise ValueError where shares would differ: the mean of their means would not be that of the batch."""
        if size % self.count:
            raise ValueError(f"A batch of {size} cannot be shared by {self.count} processes; choose a multiple.")

    def share(self, batch: dict[str, Rows]) -> dict[str, Rows]:
        """This process' consecutive part of a batch."""

        def part(array: Rows) -> Rows:
            return array[len(array) * self.rank // self.count : len(array) * (self.rank + 1) // self.count]

        return {key: part(array) for key, array in batch.items()}

    def synchronised(self, net: nn.Module) -> nn.Module:
        """`net`, its batch normalisation looking at all shares where the device can."""
        if self.count == 1 or not self.device.startswith("cuda"):
            return net
        return nn.SyncBatchNorm.convert_sync_batchnorm(net)

    def parallel(self, loss: Callable[..., Terms], nets: tuple[nn.Module, ...]) -> Callable[..., Terms]:
        """`loss`, whose gradients for the weights of `nets` are averaged over all processes."""
        if self.count == 1:
            return loss
        # the terms of an opponent may begin late, which leaves it without gradients until then
        return DistributedDataParallel(_Loss(loss, nets), find_unused_parameters=len(nets) > 1)

    def mean(self, terms: dict[str, float]) -> dict[str, float]:
        """Mean of every figure over all processes."""
        if self.count == 1:
            return terms
        values = torch.tensor(list(terms.values()), dtype=torch.float64, device=self.device)
        distributed.all_reduce(values)
        return dict(zip(terms, (values / self.count).tolist(), strict=True))

    def told(self, value: float) -> float:
        """The first process' value: clocks differ, and all must stop at the same step."""
        if self.count == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=self.device)
        distributed.broadcast(shared, src=0)
        return float(shared)

    def leave(self) -> None:
        """Part from the others at the end."""
        if distributed.is_initialized():
            distributed.destroy_process_group()


class _Loss(nn.Module):
    """A recipe's loss as a module: its forward is where gradients are prepared to be averaged."""

    def __init__(self, loss: Callable[..., Terms], nets: tuple[nn.Module, ...]) -> None:
        super().__init__()
        self.loss, self.nets = loss, nn.ModuleList(nets)

    def forward(self, image: Tensor, labels: dict[str, Tensor], progress: float) -> Terms:
        return self.loss(image, labels, progress)
