"""Errors a user can act on. Every message says what is wrong and what to do about it."""

from __future__ import annotations


class FaceError(Exception):
    """Base of all errors whose text may be shown to the user as it is."""


class ImageError(FaceError):
    """The picture cannot be read or is not usable."""


class NoFaceFound(FaceError):
    """The detector found no face that is large and clear enough."""


class FaceModelError(FaceError):
    """The face model file is missing, damaged or of another version."""


class WeightsError(FaceError):
    """A network's weight file is missing, altered or does not match its specification."""


class RegressorError(FaceError):
    """The chosen regressor cannot do what was asked."""


class RuntimeProviderError(FaceError):
    """The chosen execution provider is not available."""


class OutputError(FaceError):
    """A result cannot be written."""


class Cancelled(FaceError):
    """The user cancelled the work; nothing was changed."""

    def __init__(self, message: str = "Cancelled. Nothing was changed.") -> None:
        super().__init__(message)
