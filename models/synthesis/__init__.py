"""The picture factory: labelled synthetic people from the licence-clean models and textures."""
