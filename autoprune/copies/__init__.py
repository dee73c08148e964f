"""Pruned copies of a network as ONNX files: what a profiler times."""
