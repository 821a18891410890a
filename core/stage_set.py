"""The stages that a choice of settings asks for; networks and the face model open at first use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from .fit_priors import read_priors
from .geometry.face_model import FaceModel, load_face_model
from .geometry.fitting import FitSettings
from .geometry.mirroring import CoefficientMirror, mirrored_landmarks
from .geometry.teeth_rows import TeethRows
from .regressors import COLOURED_BY, PCA_FREE, network_of
from .runtime.sessions import Network, open_network
from .runtime.specs import SPECS, NetworkSpec
from .settings import Settings
from .stages.complete import COARSE, NETWORKS, Complete
from .stages.detect import Detect
from .stages.fit import Fit
from .stages.fuse import Fuse
from .stages.gaze import Gaze
from .stages.hair import Hair
from .stages.landmark import Landmark
from .stages.parse import Parse
from .stages.pca_free import PcaFree
from .stages.regress import Regress
from .stages.rims import FindRims
from .stages.texture import Texture
from .types import FaceBox


class StageSet:
    """Every stage by its name, made once."""

    def __init__(self, settings: Settings | None = None, specs: Mapping[str, NetworkSpec] = SPECS) -> None:
        """Raises `WeightsError` when the settings ask for a regressor that is not in this build."""
        self.settings = settings or Settings()
        self._specs = specs
        chosen = self.settings.regressor
        network_of(chosen, specs)
        self._regressor_network = network_of(COLOURED_BY.get(chosen, chosen), specs)

    @cached_property
    def face_model(self) -> FaceModel:
        """The face model; raises `FaceModelError` when it is missing or damaged."""
        return load_face_model(self.settings.face_model_path)

    @property
    def fit_settings(self) -> FitSettings:
        """How the regressed coefficients are refined: the priors that were measured for the regressor."""
        return read_priors(self.settings.weights_dir, self._regressor_network)

    @property
    def provider(self) -> str:
        """The execution provider in use; opens the detector to find out."""
        return self._network("detector").provider

    def _network(self, name: str) -> Network:
        chosen = self.settings
        return open_network(self._specs[name], chosen.weights_dir, chosen.provider, chosen.threads)

    @cached_property
    def _detect(self) -> Detect:
        return Detect(self._network("detector"), self._opinion, self.settings.min_score)

    def _opinion(self, photo: np.ndarray, boxes: Sequence[FaceBox]) -> tuple[np.ndarray, np.ndarray]:
        """The landmarker is opened when the first face is doubtful."""
        return self._landmark.opinion(photo, boxes)

    @cached_property
    def _landmark(self) -> Landmark:
        return Landmark(self._network("landmarker"), mirrored_landmarks(self.face_model))

    @cached_property
    def _parse(self) -> Parse:
        return Parse(self._network("parser"))

    @cached_property
    def _rims(self) -> FindRims:
        return FindRims(self._network("rims"))

    @cached_property
    def _complete(self) -> Complete:
        """Falls back to the classical method as long as the chosen network has not been trained."""
        method = self.settings.deocclusion
        name = NETWORKS.get(method)
        if name is None or not self._specs[name].sha256:
            return Complete(None, "telea")
        two_looks = method == "generator" and bool(self._specs[COARSE].sha256)
        return Complete(self._network(name), method, self._network(COARSE) if two_looks else None)

    @cached_property
    def _regress(self) -> Regress:
        return Regress(self._network(self._regressor_network), CoefficientMirror.of(self.face_model))

    @cached_property
    def _pca_free(self) -> PcaFree:
        return PcaFree(self._network(network_of(PCA_FREE, self._specs)), self.face_model)

    @cached_property
    def _fit(self) -> Fit:
        return Fit(self.face_model, self.fit_settings)

    @cached_property
    def _gaze(self) -> Gaze:
        return Gaze(self.face_model)

    @cached_property
    def _teeth_rows(self) -> TeethRows:
        return TeethRows(self.face_model)

    @cached_property
    def _texture(self) -> Texture:
        return Texture(self.face_model, self.settings.texture_size, fringe=not self.settings.hair)

    @cached_property
    def _hair(self) -> Hair:
        return Hair(self.face_model, self.settings.texture_size)

    @cached_property
    def _fuse(self) -> Fuse:
        return Fuse(self.face_model, self.settings.texture_size)
