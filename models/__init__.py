"""Opening, verifying and running sealed bundles with ONNX Runtime."""
