"""All operators; ids begin with `facewright.`."""

from . import export, expression, identity, mask, pictures, reconstruct

CLASSES = (
    *reconstruct.CLASSES,
    *mask.CLASSES,
    *pictures.CLASSES,
    *expression.CLASSES,
    *identity.CLASSES,
    *export.CLASSES,
)
