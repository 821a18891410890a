"""All operators; ids begin with `facewright.`."""

from . import export, expression, hair, identity, mask, person, pictures, reconstruct

CLASSES = (
    *reconstruct.CLASSES,
    *person.CLASSES,
    *mask.CLASSES,
    *pictures.CLASSES,
    *expression.CLASSES,
    *identity.CLASSES,
    *hair.CLASSES,
    *export.CLASSES,
)
