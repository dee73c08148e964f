"""The network as an ONNX file: exported, checked against the module, sized, measured."""
