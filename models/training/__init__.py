"""Training: losses, data, the loop, and one recipe per network (`python -m models.training.NAME`)."""
