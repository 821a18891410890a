"""Each network at a tiny size: shapes, one step of learning, export parity."""

from __future__ import annotations

import json
from hashlib import sha256

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

torch = pytest.importorskip("torch", reason="training packages are not installed")

from core.runtime.sessions import open_network  # noqa: E402
from core.runtime.specs import FACE_SIZE, GRID_SIZE, SPECS, NetworkSpec  # noqa: E402
from models.export import onnx_export  # noqa: E402
from models.networks.coefficients import CoefficientExport  # noqa: E402
from models.networks.completer import (  # noqa: E402
    AutoencoderConfig,
    Completer,
    CompleterConfig,
    CompletionExport,
    build_autoencoder,
    build_completer,
)
from models.networks.detector import (  # noqa: E402
    MOST_CELLS,
    STRIDES,
    DetectorConfig,
    DetectorExport,
    build_detector,
    cell_centers,
)
from models.networks.e2far import E2FARConfig, build_e2far  # noqa: E402
from models.networks.landmarker import LandmarkerConfig, LandmarkerExport, build_landmarker  # noqa: E402
from models.networks.pca_free import PcaFreeConfig, PcaFreeExport, build_pca_free  # noqa: E402
from models.networks.regressor import RegressorConfig, build_regressor  # noqa: E402
from models.networks.resnet import ResnetConfig, build_resnet  # noqa: E402
from models.training.losses import all_cells, assign, detector_terms, landmark_terms, landmark_weights  # noqa: E402

POINTS = 72
TINY_DETECTOR = DetectorConfig(stem=8, channels=(8, 16, 16), depth=(1, 1, 1), neck=8)
TINY_LANDMARKER = LandmarkerConfig(POINTS, width=0.35, narrow=4, hidden=16, reaches=(0.05, 0.03), rank=4)
TINY_E2FAR = E2FARConfig(stem=4, channels=(4, 8, 8, 8), narrow=4, hidden=16)
TINY_PCA_FREE = PcaFreeConfig(
    width=0.35, narrow=2, code=16, pose_code=8, channels=(8, 8, 8, 8), correction_channels=(4, 4, 4, 4)
)
TINY_RESNET = ResnetConfig(bottleneck=4)
TINY_REGRESSOR = RegressorConfig(width=0.35, narrow=4, hidden=16)
EXPORTED = ("detector", "regressor_e2far", "regressor_resnet50", "landmarker", "pca_free", "regressor")
REGRESSORS = (
    lambda: build_regressor(TINY_REGRESSOR),
    lambda: build_e2far(TINY_E2FAR),
    lambda: build_resnet(TINY_RESNET),
)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def exportable(name: str) -> onnx_export.Exportable:
    if name == "detector":
        net = DetectorExport(build_detector(TINY_DETECTOR))
        return onnx_export.Exportable(name, settled(net), torch.rand(1, 3, 64, 96), {2: "H", 3: "W"})
    nets = {
        "regressor_e2far": lambda: CoefficientExport(build_e2far(TINY_E2FAR)),
        "regressor_resnet50": lambda: CoefficientExport(build_resnet(TINY_RESNET)),
        "pca_free": lambda: PcaFreeExport(build_pca_free(TINY_PCA_FREE)),
        "landmarker": lambda: LandmarkerExport(build_landmarker(TINY_LANDMARKER)),
        "regressor": lambda: CoefficientExport(build_regressor(TINY_REGRESSOR)),
    }
    return onnx_export.Exportable(name, settled(nets[name]()), torch.rand(2, 3, 128, 128), {0: "N"})


def settled(net: torch.nn.Module) -> torch.nn.Module:
    """Statistics of batch normalisation that are not the initial ones, and outputs that are not constant."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        net.train()
        for _ in range(3):
            net(torch.rand(4, 3, 128, 128))
    return net.eval()


def images(name: str) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    sides = [(64, 64), (96, 160), (128, 64)] if name == "detector" else [(128, 128)] * 3
    return [rng.integers(0, 256, (*side, 3), np.uint8) for side in sides]


@pytest.mark.parametrize(
    "name", ["detector", "regressor_e2far", "regressor_resnet50", "landmarker", "pca_free", "regressor"]
)
@pytest.mark.parametrize("bits", [32, 16, 8])
def test_export_computes_what_torch_computes(name: str, bits: int, tmp_path) -> None:
    item, path = exportable(name), tmp_path / f"{name}.onnx"
    onnx_export.convert(item, path, bits)
    worst = onnx_export.check_parity(item, path, images(name), bits)
    assert set(worst) == set(SPECS[name].outputs)


@pytest.mark.parametrize(
    "net",
    [
        build_completer(CompleterConfig(channels=(4, 4, 8, 8), dilations=(1,))),
        build_autoencoder(AutoencoderConfig(channels=(4, 8))),
    ],
)
def test_painters_take_a_hole_and_landmarks_too(net, tmp_path) -> None:
    name = "completer" if isinstance(net, Completer) else "autoencoder"
    rng, hole = np.random.default_rng(0), np.zeros((1, 1, FACE_SIZE, FACE_SIZE), np.float32)
    hole[..., 60:120, 30:200] = 1.0
    image, landmarks = (rng.random(shape, np.float32) for shape in ((1, 3, FACE_SIZE, FACE_SIZE), (1, 68, 2)))
    item = onnx_export.Exportable(name, CompletionExport(net).eval(), *onnx_export.example_inputs(name))
    onnx_export.convert(item, tmp_path / "net.onnx", bits=16)
    sample = {"image": image, "mask": hole, "landmarks": landmarks}
    onnx_export.check_parity(item, tmp_path / "net.onnx", [sample], bits=16)
    with pytest.raises(onnx_export.ParityError):
        other = onnx_export.Exportable(
            name, CompletionExport(type(net)(net.config)).eval(), *onnx_export.example_inputs(name)
        )
        onnx_export.check_parity(other, tmp_path / "net.onnx", [sample], bits=32)
    spec = NetworkSpec(
        name,
        sha256((tmp_path / "net.onnx").read_bytes()).hexdigest(),
        SPECS[name].inputs,
        SPECS[name].outputs,
    )
    (tmp_path / "net.onnx").rename(tmp_path / f"{name}.onnx")
    completed = open_network(spec, tmp_path, "cpu").run(**sample)["completed"]
    np.testing.assert_array_equal(completed[:, :, :60], image[:, :, :60])


def test_parity_gate_refuses_another_network(tmp_path) -> None:
    first, path = exportable("regressor"), tmp_path / "regressor.onnx"
    onnx_export.convert(first, path, bits=32)
    with pytest.raises(onnx_export.ParityError, match="differs"):
        onnx_export.check_parity(exportable("regressor"), path, images("regressor"), bits=32)


@pytest.mark.parametrize(("bits", "share"), [(16, 0.65), (8, 0.45)])
def test_narrow_weights_make_a_small_file(bits: int, share: float, tmp_path) -> None:
    item = exportable("landmarker")
    sizes = []
    for stored in (32, bits):
        onnx_export.convert(item, tmp_path / "x.onnx", stored)
        sizes.append((tmp_path / "x.onnx").stat().st_size)
    assert sizes[1] < share * sizes[0]


class SeveralWeights(torch.nn.Module):
    """Two convolutions, a transposed one and two linear layers, whose output channels are of very different size."""

    def __init__(self) -> None:
        super().__init__()
        self.down = torch.nn.Conv2d(3, 40, 6, stride=64)
        self.up = torch.nn.ConvTranspose2d(40, 30, 2)
        self.small = torch.nn.Conv2d(30, 8, 3)
        self.mix = torch.nn.Linear(8, 600)
        self.out = torch.nn.Linear(600, 239)
        with torch.no_grad():
            self.down.weight *= torch.logspace(-3, 0, 40)[:, None, None, None]
            self.up.weight *= torch.logspace(-3, 0, 30)[None, :, None, None]
            self.mix.weight *= torch.logspace(-3, 0, 600)[:, None]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.out(self.mix(self.small(self.up(self.down(image))).mean(dim=(2, 3))))


def test_bytes_have_a_scale_for_each_output_channel(tmp_path) -> None:
    net, path = SeveralWeights(), tmp_path / "x.onnx"
    onnx_export.convert(onnx_export.Exportable("regressor", net, torch.rand(2, 3, 128, 128), {0: "N"}), path, bits=8)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(str(path)).graph.initializer}
    for layer, axis in (("down", 0), ("up", 1), ("mix", 0)):
        levels, scale = stored[f"{layer}.weight.int8"], stored[f"{layer}.weight.scale"]
        assert levels.dtype == np.int8
        wanted = getattr(net, layer).weight.detach().numpy()
        assert scale.size == wanted.shape[axis] == scale.shape[axis]
        assert (np.abs(levels * scale - wanted) <= 0.501 * scale).all()  # half a level of its own channel
        assert np.abs(levels).max(axis=tuple(k for k in range(wanted.ndim) if k != axis)).min() == 127
        assert stored[f"{layer}.bias"].dtype == np.float32
    for layer in ("small", "out"):  # narrow places, and what is read in its own unit
        assert stored[f"{layer}.weight.half"].dtype == np.float16


def test_runtime_widens_bytes_when_it_loads_the_file(tmp_path) -> None:
    path, folded = tmp_path / "x.onnx", tmp_path / "folded.onnx"
    onnx_export.convert(exportable("regressor"), path, bits=8)
    assert {"Cast", "Mul"} <= {node.op_type for node in onnx.load(str(path)).graph.node}
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(folded), 4
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    graph = onnx.load(str(folded)).graph
    assert not [tensor.name for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT8]
    assert not [node.name for node in graph.node if node.op_type == "Cast"]


def test_card_says_how_weights_are_stored(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(onnx_export, "load_exportable", lambda name, run: exportable(name))
    monkeypatch.setattr(onnx_export, "parity_samples", lambda name, pictures: images(name))
    path = onnx_export.export("regressor", tmp_path, None, 8, tmp_path / "weights")
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["export"]["weights"] == "int8 per channel"
    assert card["export"]["bytes"] == path.stat().st_size


def test_hash_is_recorded_in_the_specification(tmp_path) -> None:
    specs = tmp_path / "specs.py"
    specs.write_text('SHA256 = {\n    "detector": "",\n    "landmarker": "ab12",\n}\n')
    onnx_export.record_hash("landmarker", "cd34", specs)
    assert '"landmarker": "cd34"' in specs.read_text()
    with pytest.raises(ValueError, match="regressor"):
        onnx_export.record_hash("regressor", "ef", specs)


@pytest.mark.parametrize("build", REGRESSORS)
def test_regressors_keep_sliders_and_scale_in_range(build) -> None:
    net = settled(build())
    out = net(torch.rand(3, 3, 128, 128) * 4 - 2)
    assert out.shape == (3, 239)
    assert ((out[:, 80:144] >= 0) & (out[:, 80:144] <= 1)).all()
    assert (out[:, 236] > 0).all()


@pytest.mark.parametrize("build", REGRESSORS)
def test_regressors_begin_with_the_mean_of_the_labels(build) -> None:
    mean, std = torch.rand(239) * 0.3 + 0.1, torch.rand(239) * 0.2 + 0.05
    net = build().eval()
    net.set_statistics(mean, std)
    out = net(torch.rand(2, 3, 128, 128))
    assert torch.allclose(out[:, 80:144], mean[80:144].expand(2, -1), atol=0.05)
    assert torch.allclose(out[:, 224:], mean[224:].expand(2, -1), atol=0.08)
    assert out[:, :80].abs().max() < 0.3


def test_end_to_end_regressor_reads_identity_off_its_last_features_alone() -> None:
    net = settled(build_e2far(TINY_E2FAR))
    image, before = torch.rand(2, 3, 128, 128), None
    for _ in range(2):
        out = net(image)
        if before is not None:
            assert torch.equal(out[:, :80], before[:, :80])
            assert not torch.allclose(out[:, 80:], before[:, 80:])
        before = out.detach()
        with torch.no_grad():
            net.fusion.branches[0][0][0].weight.mul_(3.0).add_(0.5)


def test_end_to_end_regressor_is_small_and_learns() -> None:
    whole = build_e2far(E2FARConfig())
    assert sum(parameter.numel() for parameter in whole.parameters()) < 1.2e6
    net, image, truth = build_e2far(TINY_E2FAR), torch.rand(4, 3, 128, 128), torch.rand(4, 239)
    step_lowers(net, lambda: (net(image) - truth).square().mean())


def test_half_the_width_keeps_the_layers_and_halves_the_weights() -> None:
    half, whole = build_resnet(ResnetConfig()), build_resnet(ResnetConfig(bottleneck=64))
    layers = [sum(isinstance(m, torch.nn.Conv2d) for m in net.modules()) for net in (half, whole)]
    sizes = [sum(parameter.numel() for parameter in net.parameters()) for net in (half, whole)]
    assert layers[0] == layers[1] == 53  # fifty and three on the shortcuts, without the last, linear one
    assert sizes[0] < 0.5 * sizes[1]


def test_pca_free_model_is_small_and_keeps_its_ranges() -> None:
    whole = build_pca_free(PcaFreeConfig())
    assert sum(parameter.numel() for parameter in whole.parameters()) < 1.5e6
    out = settled(build_pca_free(TINY_PCA_FREE))(torch.rand(3, 3, 128, 128) * 4 - 2)
    assert out.neutral.shape == out.correction.shape == (3, 3, GRID_SIZE, GRID_SIZE)
    assert out.expression.min() >= 0
    assert out.expression.max() <= 1
    assert (out.pose[:, 3] > 0).all()


def test_pca_free_expression_sees_the_identity() -> None:
    net = settled(build_pca_free(TINY_PCA_FREE))
    code, neutral = torch.rand(1, 16), 0.004 * torch.randn(2, 3, GRID_SIZE, GRID_SIZE)
    sliders = [net.expression_decoder(code, geometry[None])[0] for geometry in neutral]
    assert (sliders[0] - sliders[1]).abs().max() > 1e-5


def test_pca_free_decoders_must_reach_the_grid() -> None:
    with pytest.raises(ValueError, match="48"):
        build_pca_free(PcaFreeConfig(channels=(8, 8, 8)))


def step_lowers(net: torch.nn.Module, loss) -> None:
    net.train()
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    values = []
    for _ in range(6):
        value = loss()
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(float(value.detach()))
    assert values[-1] < values[0]


def test_landmarker_learns() -> None:
    net = build_landmarker(TINY_LANDMARKER)
    image, points = torch.rand(4, 3, 128, 128), torch.rand(4, POINTS, 2)
    visibility, weights = torch.ones(4, POINTS), landmark_weights(POINTS)
    assert float(weights.sum()) == pytest.approx(1.0)
    out = net(image)
    assert out.points.shape == (4, POINTS, 2)
    assert out.log_sigma.shape == out.visibility_logit.shape == (4, POINTS)
    step_lowers(net, lambda: sum(landmark_terms(net(image), points, visibility, weights, 1.0).values()))


def test_likelihood_widens_sigma_where_points_cannot_be_known() -> None:
    weights = landmark_weights(2 + 68)
    sigma = torch.full((8, 70), -3.0, requires_grad=True)
    from models.networks.landmarker import LandmarkerOutput

    noise = torch.zeros(8, 70, 2)
    noise[:, 20] = 0.3
    out = LandmarkerOutput(torch.zeros(8, 70, 2), sigma, torch.zeros(8, 70))
    landmark_terms(out, noise, torch.ones(8, 70), weights, 1.0)["likelihood"].backward()
    assert (sigma.grad[:, 20] < 0).all()  # descending makes it larger
    assert (sigma.grad[:, 21] > 0).all()


def test_detector_learns() -> None:
    net = build_detector(TINY_DETECTOR)
    image = torch.rand(2, 3, 64, 96)
    boxes = torch.tensor(
        [[[10.0, 12.0, 50.0, 56.0], [0, 0, 0, 0]], [[30.0, 10.0, 60.0, 40.0], [70.0, 30.0, 90.0, 50.0]]]
    )
    points, counted = torch.rand(2, 2, 10) * 40, boxes[..., 2] > 0
    out = net(image)
    cells = sum((64 // s) * (96 // s) for s in STRIDES)
    assert out.boxes.shape == (2, cells, 4)
    assert out.points.shape == (2, cells, 10)
    step_lowers(net, lambda: sum(detector_terms(net(image), boxes, points, counted, (64, 96)).values()))


def test_the_application_sees_the_likeliest_cells(tmp_path) -> None:
    item = exportable("detector")
    onnx_export.convert(item, tmp_path / "detector.onnx", 32)
    image = torch.rand(1, 3, 384, 512)
    with torch.no_grad():
        every = item.net.net(image)
    session = onnxruntime.InferenceSession(str(tmp_path / "detector.onnx"), providers=["CPUExecutionProvider"])
    boxes, scores, points = session.run(["boxes", "scores", "points"], {"image": image.numpy()})
    kept = np.sort(every.score_logit[0].argsort(descending=True)[:MOST_CELLS].numpy())
    assert len(every.score_logit[0]) > len(kept) == scores.shape[1]
    for found, wanted in ((boxes, every.boxes), (points, every.points), (scores, every.score_logit.sigmoid())):
        assert np.allclose(found[0], wanted[0, kept].numpy(), atol=1e-2)


def test_cells_lie_in_the_middle_of_their_stride() -> None:
    centers = cell_centers(torch.empty(1, 1, 2, 3), 8)
    assert centers.tolist()[:4] == [[3.5, 3.5], [11.5, 3.5], [19.5, 3.5], [3.5, 11.5]]


def test_every_face_from_20_pixels_has_a_positive_cell() -> None:
    centers, strides = all_cells(320, 320, "cpu")
    rng = np.random.default_rng(0)
    side = torch.from_numpy(np.exp(rng.uniform(np.log(20), np.log(300), 200))).float()
    middle = torch.from_numpy(rng.uniform(20, 300, (200, 2))).float()
    boxes = torch.cat([middle - side[:, None] / 2, middle + side[:, None] / 2], dim=1)[:, None]
    index, positive, ignored = assign(centers, strides, boxes)
    assert positive.any(dim=1).all()
    assert not (positive & ignored).any()
    assert (index[positive] == 0).all()


def test_uncounted_faces_do_not_pull_the_score() -> None:
    net = build_detector(TINY_DETECTOR)
    image, box = torch.rand(1, 3, 64, 64), torch.tensor([[[16.0, 16.0, 48.0, 48.0]]])
    points = torch.rand(1, 1, 10) * 64
    out = net(image)
    terms = detector_terms(out, box, points, torch.zeros(1, 1, dtype=torch.bool), (64, 64))
    assert terms["box"].item() == terms["points"].item() == 0.0
    gradient = torch.autograd.grad(terms["score"], out.score_logit)[0]
    centers, strides = all_cells(64, 64, "cpu")
    _, positive, ignored = assign(centers, strides, box)
    assert (gradient[positive | ignored] == 0).all()
    assert (gradient[~(positive | ignored)] > 0).all()
