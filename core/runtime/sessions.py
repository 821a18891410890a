"""Opens the networks: verifies each file against its specification and runs it on the chosen provider."""

from __future__ import annotations

import hashlib
import logging
import threading
from pathlib import Path

import numpy as np
import onnxruntime

from ..errors import WeightsError
from . import providers
from .specs import BATCH, NetworkSpec, Shape

LOG = logging.getLogger(__name__)
_QUIET = 4  # onnxruntime logs fatal errors only: failures are raised and reported here
# Its threads wait busily for the next run; what comes between runs needs the processors: ours, and Blender's own.
_STOP_WAITING = "session.force_spinning_stop"

_cache: dict[tuple[Path, str, str, int], Network] = {}
_cache_lock = threading.Lock()


class Network:
    """One verified network; `run` may be called from any thread."""

    def __init__(self, spec: NetworkSpec, content: bytes, choice: str, threads: int) -> None:
        self.spec = spec
        self._content = content
        self._threads = threads
        self._lock = threading.Lock()
        self._running = self._open(providers.candidates(choice))
        _check_interface(spec, self._running[1])
        LOG.debug("%s runs on %s", spec.name, self.provider)

    @property
    def provider(self) -> str:
        """What runs this network now."""
        return self._running[0]

    def run(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Evaluate named float32 inputs; a GPU that fails is left for the CPU, with one warning."""
        provider, session = self._running
        try:
            return self._evaluate(session, inputs)
        except Exception as error:  # onnxruntime's exceptions share no narrower base
            if provider == "cpu":
                raise
            self._leave(provider, str(error))
        return self._evaluate(self._running[1], inputs)

    def _evaluate(self, session: onnxruntime.InferenceSession, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        names = list(self.spec.outputs)
        answers = session.run(names, inputs)
        return {name: np.asarray(answer) for name, answer in zip(names, answers, strict=True)}

    def _leave(self, provider: str, reason: str) -> None:
        providers.report_failure(provider, reason)
        with self._lock:
            if self.provider == provider:  # another thread may have changed over already
                self._running = self._open(("cpu",))

    def _open(self, candidates: tuple[str, ...]) -> tuple[str, onnxruntime.InferenceSession]:
        for provider in candidates:
            if provider == "cpu":
                break
            try:
                return provider, self._session_on(provider)
            except Exception as error:  # noqa: BLE001 - any failure of a driver means the next provider
                providers.report_failure(provider, str(error))
        try:
            return "cpu", self._session_on("cpu")
        except Exception as error:  # onnxruntime's exceptions share no narrower base
            raise WeightsError(
                f"The network {self.spec.name} cannot be loaded ({error}). Reinstall Facewright."
            ) from error

    def _session_on(self, provider: str) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _QUIET
        options.intra_op_num_threads = self._threads
        options.add_session_config_entry(_STOP_WAITING, "1")
        if self.spec.batch:  # onnxruntime joins more layers when it knows
            options.add_free_dimension_override_by_name(BATCH, self.spec.batch)
        wanted = providers.ONNXRUNTIME_NAMES[provider]
        names = list(dict.fromkeys([wanted, providers.ONNXRUNTIME_NAMES["cpu"]]))
        session = onnxruntime.InferenceSession(self._content, options, providers=names, enable_fallback=0)
        if session.get_providers()[0] != wanted:  # onnxruntime drops a provider whose driver is missing
            raise RuntimeError("its driver or libraries are missing")
        return session


def open_network(spec: NetworkSpec, weights_dir: Path, provider: str = "auto", threads: int = 0) -> Network:
    """The verified network of `weights_dir`/NAME.onnx, opened once per process and choice.

    Raises `WeightsError` when the file is missing, altered or not as specified.
    """
    path = weights_dir / f"{spec.name}.onnx"
    key = (path.resolve(), spec.sha256, provider, threads)
    with _cache_lock:
        if key not in _cache:
            _cache[key] = Network(spec, _read_verified(path, spec), provider, threads)
        return _cache[key]


def close_networks() -> None:
    """Forget all open networks and failed providers; the next use opens the files again."""
    with _cache_lock:
        _cache.clear()
    providers.forget_failures()


def _read_verified(path: Path, spec: NetworkSpec) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise WeightsError(f"The weight file {path.name} is missing in {path.parent}. Reinstall Facewright.") from error
    except OSError as error:
        raise WeightsError(
            f"The weight file {path} cannot be read ({error.strerror}). Check its permissions or reinstall Facewright."
        ) from error
    if hashlib.sha256(content).hexdigest() != spec.sha256:
        raise WeightsError(
            f"The weight file {path.name} in {path.parent} was altered or belongs to another version. "
            "Reinstall Facewright."
        )
    return content


def _check_interface(spec: NetworkSpec, session: onnxruntime.InferenceSession) -> None:
    for kind, wanted, found in (
        ("input", spec.inputs, session.get_inputs()),
        ("output", spec.outputs, session.get_outputs()),
    ):
        shapes = {item.name: item.shape for item in found if item.type == "tensor(float)"}
        for name, shape in wanted.items():
            if name not in shapes or not _fits(shape, shapes[name]):
                raise WeightsError(
                    f"The network {spec.name} has no {kind} '{name}' of shape {shape} "
                    f"(found {shapes}). Reinstall Facewright."
                )


def _fits(wanted: Shape, found: list[int | str | None]) -> bool:
    """A number must be met exactly; a name stands for any length, given or open."""
    return len(wanted) == len(found) and all(
        isinstance(want, str) or want == have for want, have in zip(wanted, found, strict=True)
    )
