"""The evaluation harness: protocols, metrics, and the writer of docs/evaluation.md. Needs no torch."""
