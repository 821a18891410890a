"""What all networks that answer with the 239 coefficients share: the scale of each output, and what bounds it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.types import COEFFICIENTS, LAYOUT

SLIDER_RANGE = (0.01, 0.5)  # of the mean sliders to start from; they are mostly near zero
_LIGHT, _POSE = LAYOUT["light"], LAYOUT["pose"]
_SCALE_INDEX = _POSE.start + 3  # f, crop sides per metre: positive


class CoefficientNetwork(nn.Module):
    """(N, 3, S, S) RGB in [0, 1] to (N, 239) coefficients; sliders in [0, 1]."""

    offset: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("offset", torch.zeros(COEFFICIENTS))
        self.register_buffer("scale", torch.ones(COEFFICIENTS))

    @property
    def expression_bias(self) -> Tensor:
        """(64,) biases of the layer that gives the sliders; a view, to be written to."""
        raise NotImplementedError

    def raw(self, image: Tensor) -> Tensor:
        """(N, 239) outputs of about unit size, sliders as logits."""
        raise NotImplementedError

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Tell the (239,) mean and deviation of the training labels; outputs of about unit size learn evenly."""
        for part in (_LIGHT, _POSE):
            self.offset[part] = mean[part]
            self.scale[part] = std[part].clamp_min(1e-3)
        with torch.no_grad():
            self.expression_bias.copy_(mean[LAYOUT["expression"]].clamp(*SLIDER_RANGE).logit())
        self.offset[_SCALE_INDEX] = mean[_SCALE_INDEX].log()
        self.scale[_SCALE_INDEX] = (std[_SCALE_INDEX] / mean[_SCALE_INDEX]).clamp_min(1e-3)

    def forward(self, image: Tensor) -> Tensor:
        raw = self.raw(image)
        free = self.offset + self.scale * raw
        f = _SCALE_INDEX
        return torch.cat(
            [
                free[:, LAYOUT["identity"]],
                raw[:, LAYOUT["expression"]].sigmoid(),
                free[:, LAYOUT["albedo"].start : f],
                free[:, f : f + 1].exp(),
                free[:, f + 1 :],
            ],
            dim=1,
        )


class SingleHeadNetwork(CoefficientNetwork):
    """One linear layer, `out`, gives all coefficients from one vector of features."""

    out: nn.Linear

    @property
    def expression_bias(self) -> Tensor:
        return self.out.bias[LAYOUT["expression"]]

    def features(self, image: Tensor) -> Tensor:
        """(N, F) of (N, 3, S, S) RGB in [0, 1]."""
        raise NotImplementedError

    def raw(self, image: Tensor) -> Tensor:
        features = self.features(image)
        with torch.autocast(features.device.type, enabled=False):
            return self.out(features.float())


class CoefficientExport(nn.Module):
    """The application's view: coefficients."""

    input_names = ("image",)
    output_names = ("coefficients",)

    def __init__(self, net: CoefficientNetwork) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        return self.net(image)


def output_layer(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer that answers with almost nothing to begin with: the mean face."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    return layer
