"""Which regressors there are, which network each runs, and which of them are in this build."""

from __future__ import annotations

from collections.abc import Mapping

from .errors import WeightsError
from .runtime.specs import SPECS, NetworkSpec
from .settings import REGRESSORS

NETWORKS = {  # regressor: network
    "student": "regressor",
    "resnet50": "regressor_resnet50",
    "e2far": "regressor_e2far",
    "pca_free": "pca_free",
}
PCA_FREE = "pca_free"  # answers with its own geometry instead of coefficients
COLOURED_BY = {PCA_FREE: "student"}  # whose albedo and light are taken
AS_PHOTOGRAPHED = ("e2far",)  # these read the photo with what hides the face; the others read the completed one


def present(specs: Mapping[str, NetworkSpec] = SPECS) -> tuple[str, ...]:
    """The regressors of this build, in the order of `REGRESSORS`."""
    return tuple(name for name in REGRESSORS if _is_trained(NETWORKS.get(name, ""), specs))


def network_of(regressor: str, specs: Mapping[str, NetworkSpec] = SPECS) -> str:
    """Name of a regressor's network; raises `WeightsError` when this build has none."""
    network = NETWORKS.get(regressor, "")
    if not _is_trained(network, specs):
        raise WeightsError(
            f"The regressor {regressor} is not part of this build; choose {' or '.join(present(specs))}."
        )
    return network


def _is_trained(network: str, specs: Mapping[str, NetworkSpec]) -> bool:
    """Whether there is a file for a network: its hash is empty as long as it was not trained."""
    return network in specs and specs[network].sha256 != ""
