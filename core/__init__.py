"""Photo to face: numpy, scipy, OpenCV and onnxruntime only. Never imports bpy, torch or `models`."""
