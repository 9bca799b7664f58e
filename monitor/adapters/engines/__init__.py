"""Engines: artifacts opened from disk and scored, by TorchScript or ONNX Runtime."""
