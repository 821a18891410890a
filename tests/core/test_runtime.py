"""Weights are verified to the byte, and the networks run on what is there."""

import logging
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from core.errors import RuntimeProviderError, WeightsError
from core.regressors import NETWORKS, network_of, present
from core.runtime import providers, sessions
from core.runtime.sessions import open_network
from core.runtime.specs import SHA256, SPECS, NetworkSpec
from core.settings import PROVIDERS, REGRESSORS, Settings

CROP = np.zeros((1, 3, 128, 128), np.float32)


def test_specs_describe_the_networks() -> None:
    completing, regressing = {"autoencoder", "completer", "completer_coarse"}, set(NETWORKS.values())
    assert set(SPECS) == set(SHA256) == {"detector", "landmarker", "parser", "rims"} | completing | regressing
    for name, spec in SPECS.items():
        assert spec.name == name
        assert spec.sha256 == SHA256[name]
        assert len(spec.sha256) in (0, 64)  # empty until the network is exported
        assert list(spec.inputs) == (["image", "mask", "landmarks"] if name in completing else ["image"])


def test_regressors_of_a_build(specs: dict[str, NetworkSpec]) -> None:
    assert set(NETWORKS) <= set(REGRESSORS)
    assert present(specs) == ("student",)
    more = specs | {"regressor_resnet50": replace(SPECS["regressor_resnet50"], sha256="ab")}
    assert present(more) == ("student", "resnet50")
    assert network_of("resnet50", more) == "regressor_resnet50"
    untrained = more | {"regressor_e2far": replace(SPECS["regressor_e2far"], sha256="")}
    for name in ("e2far", "pca_free"):
        with pytest.raises(WeightsError, match=f"{name} is not part of this build; choose student or resnet50"):
            network_of(name, untrained)


def test_shipped_weights_match_their_specs() -> None:
    names = [name for name in SPECS if SHA256[name]]
    if not names:
        pytest.skip("no trained weights yet")
    for name in names:
        assert open_network(SPECS[name], Settings().weights_dir, "cpu").provider == "cpu"


def test_opens_once_and_runs_from_threads(models_dir: Path, specs: dict[str, NetworkSpec]) -> None:
    network = open_network(specs["regressor"], models_dir / "weights", threads=1)
    assert open_network(specs["regressor"], models_dir / "weights", threads=1) is network
    answers: list[np.ndarray] = []
    batch = np.zeros((3, 3, 128, 128), np.float32)
    workers = [
        threading.Thread(target=lambda: answers.append(network.run(image=batch)["coefficients"])) for _ in range(8)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(answers) == 8
    assert all(np.array_equal(answer, answers[0]) for answer in answers)
    assert answers[0].shape == (3, 239)


def test_sessions_rest_between_runs_and_know_their_batch(models_dir: Path, specs: dict[str, NetworkSpec]) -> None:
    """Threads that wait busily take the processor from the next network: with two open, both took twice as long."""
    network = open_network(specs["parser"], models_dir / "weights")
    session = network._running[1]
    assert session.get_session_options().get_session_config_entry("session.force_spinning_stop") == "1"
    assert session.get_inputs()[0].shape[0] == specs["parser"].batch == 3
    free = open_network(specs["regressor"], models_dir / "weights")._running[1]
    assert isinstance(free.get_inputs()[0].shape[0], str)


def test_missing_file(tmp_path: Path, specs: dict[str, NetworkSpec]) -> None:
    with pytest.raises(WeightsError, match=r"landmarker\.onnx is missing.*Reinstall"):
        open_network(specs["landmarker"], tmp_path)


def test_altered_file(tmp_path: Path, models_dir: Path, specs: dict[str, NetworkSpec]) -> None:
    content = bytearray((models_dir / "weights" / "landmarker.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "landmarker.onnx").write_bytes(bytes(content))
    with pytest.raises(WeightsError, match=r"altered.*Reinstall"):
        open_network(specs["landmarker"], tmp_path)


def test_folder_instead_of_a_file(tmp_path: Path, specs: dict[str, NetworkSpec]) -> None:
    (tmp_path / "landmarker.onnx").mkdir()
    with pytest.raises(WeightsError, match="cannot be read"):
        open_network(specs["landmarker"], tmp_path)


def respecify(content: bytes, name: str, folder: Path) -> NetworkSpec:
    from hashlib import sha256

    (folder / f"{name}.onnx").write_bytes(content)
    return NetworkSpec(name, sha256(content).hexdigest(), SPECS[name].inputs, SPECS[name].outputs)


def test_right_hash_but_no_network(tmp_path: Path) -> None:
    spec = respecify(b"not an onnx file", "regressor", tmp_path)
    with pytest.raises(WeightsError, match="cannot be loaded"):
        open_network(spec, tmp_path)


def test_another_interface(tmp_path: Path, networks: dict[str, bytes]) -> None:
    spec = respecify(networks["regressor"], "landmarker", tmp_path)
    with pytest.raises(WeightsError, match=r"no output 'landmarks'.*Reinstall"):
        open_network(spec, tmp_path)
    model = onnx.load_from_string(networks["regressor"])
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 64
    del model.graph.value_info[:]
    spec = respecify(model.SerializeToString(), "regressor", tmp_path)
    with pytest.raises(WeightsError, match="no input 'image'"):
        open_network(spec, tmp_path)


def test_order_of_providers() -> None:
    assert providers.candidates("auto", ["tensorrt", "cuda", "cpu"]) == ("cuda", "cpu")
    assert providers.candidates("auto", ["coreml", "directml", "cpu"]) == ("directml", "coreml", "cpu")
    assert providers.candidates("auto", ["cpu"]) == ("cpu",)
    assert providers.candidates("tensorrt", ["tensorrt", "cuda", "cpu"]) == ("tensorrt", "cpu")
    assert providers.candidates("cpu", ["cuda", "cpu"]) == ("cpu",)
    assert "cpu" in providers.available()
    assert set(providers.ONNXRUNTIME_NAMES) | {"auto"} == set(PROVIDERS)


def test_a_provider_that_is_not_there() -> None:
    with pytest.raises(RuntimeProviderError, match=r"'coreml' is not available.*cpu"):
        providers.candidates("coreml", ["cuda", "cpu"])


@pytest.fixture
def broken_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """An onnxruntime that claims to have CUDA, as on a machine without its driver."""
    monkeypatch.setattr(
        providers.onnxruntime,
        "get_available_providers",
        lambda: ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
    )


@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.usefixtures("broken_gpu")
@pytest.mark.parametrize("choice", ["auto", "cuda", "tensorrt"])
def test_missing_driver_falls_back_with_one_warning(
    models_dir: Path, specs: dict[str, NetworkSpec], caplog: pytest.LogCaptureFixture, choice: str
) -> None:
    with caplog.at_level(logging.WARNING):
        opened = [open_network(specs[name], models_dir / "weights", choice) for name in specs]
    assert [network.provider for network in opened] == ["cpu"] * len(specs)
    assert len([record for record in caplog.records if "CPU is used instead" in record.message]) == 1
    assert len(providers.failures()) == 1
    assert len(providers.take_failures()) == 1
    assert providers.take_failures() == ()  # a result carries it once


class DyingSession:
    """A GPU session that is lost while it runs."""

    def run(self, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        raise RuntimeError("CUDA failure 700: an illegal memory access was encountered\nstack of frames")


def test_gpu_that_dies_while_running(
    models_dir: Path, specs: dict[str, NetworkSpec], caplog: pytest.LogCaptureFixture
) -> None:
    network = open_network(specs["regressor"], models_dir / "weights", "cpu")
    expected = network.run(image=CROP)["coefficients"]
    network._running = ("cuda", DyingSession())
    with caplog.at_level(logging.WARNING):
        first, second = network.run(image=CROP)["coefficients"], network.run(image=CROP)["coefficients"]
    assert np.array_equal(first, expected)
    assert np.array_equal(second, expected)
    assert network.provider == "cpu"
    (warning,) = [record.message for record in caplog.records]
    assert "illegal memory access" in warning
    assert "stack of frames" not in warning


def test_gpu_lost_by_several_networks_is_one_warning(
    models_dir: Path, specs: dict[str, NetworkSpec], caplog: pytest.LogCaptureFixture
) -> None:
    opened = [open_network(specs[name], models_dir / "weights", "cpu") for name in ("landmarker", "regressor")]
    for network in opened:
        network._running = ("cuda", DyingSession())
    with caplog.at_level(logging.WARNING):
        for network in opened:
            network.run(image=CROP)
    assert len(caplog.records) == 1
    assert len(providers.take_failures()) == 1


def test_cpu_failure_is_not_hidden(models_dir: Path, specs: dict[str, NetworkSpec]) -> None:
    network = open_network(specs["regressor"], models_dir / "weights", "cpu")
    with pytest.raises(Exception, match="dimensions"):
        network.run(image=np.zeros((1, 3, 64, 64), np.float32))


def test_close_opens_anew(models_dir: Path, specs: dict[str, NetworkSpec]) -> None:
    network = open_network(specs["regressor"], models_dir / "weights")
    sessions.close_networks()
    assert open_network(specs["regressor"], models_dir / "weights") is not network


@pytest.mark.parametrize(
    "wrong",
    [{"provider": "gpu"}, {"texture_size": 1000}, {"threads": -1}, {"min_face": 0}, {"min_score": 1.0}],
)
def test_settings_refuse_nonsense(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)
