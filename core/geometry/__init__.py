"""Pure array geometry: face model, camera, alignment, lighting, rasterizer, fitting."""
