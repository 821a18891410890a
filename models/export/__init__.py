"""From trained torch networks to the ONNX files that the application runs."""
