"""All operators; ids begin with `facewright.`."""

from . import export, expression, identity, reconstruct

CLASSES = (*reconstruct.CLASSES, *expression.CLASSES, *identity.CLASSES, *export.CLASSES)
