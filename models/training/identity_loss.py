"""Losses and figures of embeddings."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_SCALE = 16.0  # of the cosines, so that the softmax can become certain
_FALSE_ACCEPTS = 1e-3
_APART = -1e4  # a logit that takes no share


def margin_softmax(embedding: Tensor, person: Tensor, margin: float, scale: float = _SCALE) -> Tensor:
    """Each of (N, D) unit vectors must tell every other picture of its person from all those of others in the batch.

    The angle to the own person is enlarged by `margin` radians first (ArcFace, Deng et al., 2019); the other
    pictures take the place of class centres, because people in the synthetic sets are many and their pictures few.
    """
    with torch.autocast(embedding.device.type, enabled=False):  # half precision cannot tell a cosine from 1
        point = embedding.float()
        cosine = (point @ point.T).clamp(-1.0 + 1e-6, 1.0 - 1e-6)
    same = person[:, None] == person[None]
    others = (scale * cosine).masked_fill(same, _APART).logsumexp(dim=1, keepdim=True)
    wanted = scale * torch.cos((torch.acos(cosine) + margin).clamp(max=torch.pi))
    entropy = torch.logaddexp(wanted, others) - wanted
    pairs = same & ~torch.eye(len(person), dtype=torch.bool, device=person.device)
    return (entropy * pairs).sum() / pairs.sum().clamp_min(1)


def pair_cosines(embedding: np.ndarray, person: np.ndarray, gallery: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of (N, D) probes with (N, D) gallery pictures k != own, and which of these pairs show one person."""
    apart = ~np.eye(len(person), dtype=bool)
    return (embedding @ gallery.T)[apart], (person[:, None] == person[None])[apart]


def verification(cosine: np.ndarray, same: np.ndarray) -> dict[str, float]:
    """Figures (per cent) of deciding by (M,) cosines which of M pairs show the same person.

    Accuracy counts both kinds of pairs as equally frequent; its threshold is set on every second pair and judged on
    the others. The equal error rate is where as many are wrongly accepted as rejected.
    """
    if same.all() or not same.any():
        raise ValueError("Verification needs pairs of the same person and pairs of two.")
    threshold = _best_threshold(cosine[::2], same[::2])
    judged, truth = cosine[1::2] >= threshold, same[1::2]
    accuracy = 0.5 * (judged[truth].mean() + (~judged[~truth]).mean())
    accepted, rejected = _error_rates(cosine, same)
    equal = int(np.abs(accepted - rejected).argmin())
    strict = np.quantile(cosine[~same], 1.0 - _FALSE_ACCEPTS)
    return {
        "accuracy_percent": float(100.0 * accuracy),
        "equal_error_percent": float(50.0 * (accepted[equal] + rejected[equal])),
        "accepted_at_0.1_percent": float(100.0 * (cosine[same] > strict).mean()),
    }


def _error_rates(cosine: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of strangers accepted and of own pictures rejected for the thresholds of the sorted cosines."""
    truth = same[np.argsort(cosine, kind="stable")]
    rejected = np.concatenate([[0.0], truth.cumsum() / truth.sum()])
    accepted = 1.0 - np.concatenate([[0.0], (~truth).cumsum() / (~truth).sum()])
    return accepted, rejected


def _best_threshold(cosine: np.ndarray, same: np.ndarray) -> float:
    accepted, rejected = _error_rates(cosine, same)
    order = np.sort(cosine)
    best = int((accepted + rejected).argmin())
    return float(order[min(best, len(order) - 1)])
