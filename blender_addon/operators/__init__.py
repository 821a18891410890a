"""All operators; ids begin with `facewright.`."""

from . import export, expression, identity, mask, person, pictures, reconstruct

CLASSES = (
    *reconstruct.CLASSES,
    *person.CLASSES,
    *mask.CLASSES,
    *pictures.CLASSES,
    *expression.CLASSES,
    *identity.CLASSES,
    *export.CLASSES,
)
