"""ONNX export, parity, measurement before and after, the report."""
