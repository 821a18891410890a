"""Which execution provider runs the networks: the best one present, or the one the user chose."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import onnxruntime

from ..errors import RuntimeProviderError

LOG = logging.getLogger(__name__)

ONNXRUNTIME_NAMES = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
# TensorRT compiles every network for minutes before its first picture, so it is taken only when asked for.
AUTO_ORDER = ("cuda", "directml", "coreml", "cpu")

_failed: dict[str, str] = {}  # providers that failed in this process, and the sentence that says so
_untold: list[str] = []  # those sentences that no result has carried yet
_lock = threading.Lock()


def available() -> tuple[str, ...]:
    """Providers that this onnxruntime carries, best first."""
    present = set(onnxruntime.get_available_providers())
    return tuple(name for name in ("tensorrt", *AUTO_ORDER) if ONNXRUNTIME_NAMES[name] in present)


def candidates(choice: str, present: Sequence[str] | None = None) -> tuple[str, ...]:
    """Providers to try in order for a choice of `Settings.provider`; the last one is always the CPU.

    Raises `RuntimeProviderError` when the chosen one is not part of this onnxruntime.
    """
    present = available() if present is None else present
    if choice == "auto":
        wanted = [name for name in AUTO_ORDER if name in present]
    elif choice in present:
        wanted = [choice]
    else:
        raise RuntimeProviderError(
            f"The provider '{choice}' is not available here. Choose 'auto' or one of: {', '.join(present)}."
        )
    return tuple(name for name in dict.fromkeys([*wanted, "cpu"]) if name == "cpu" or name not in _failed)


def report_failure(provider: str, reason: str) -> None:
    """Note that a provider does not work, so that it is not tried again, and warn about it once."""
    with _lock:
        if provider in _failed:
            return
        sentence = (
            f"The {provider.upper()} provider failed and the CPU is used instead ({_first_line(reason)}). "
            "Update the graphics driver, or choose 'cpu' to silence this."
        )
        _failed[provider] = sentence
        _untold.append(sentence)
    LOG.warning(sentence)


def failures() -> tuple[str, ...]:
    """Sentences about all providers that failed in this process."""
    with _lock:
        return tuple(_failed.values())


def take_failures() -> tuple[str, ...]:
    """Sentences about providers that failed since the last call; each is handed out once."""
    with _lock:
        sentences = tuple(_untold)
        _untold.clear()
    return sentences


def forget_failures() -> None:
    """Let failed providers be tried again, for example after the user changed the choice."""
    with _lock:
        _failed.clear()
        _untold.clear()


def _first_line(reason: str) -> str:
    line = reason.strip().splitlines()[0] if reason.strip() else "no reason given"
    return line if len(line) <= 160 else line[:157] + "..."
