"""Everything ONNX; imported in children only."""
