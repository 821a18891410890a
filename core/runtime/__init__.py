"""ONNX sessions: what each file must look like, how it is opened and where it runs."""
