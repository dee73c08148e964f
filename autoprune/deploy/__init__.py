"""The network as an ONNX file, and what is written of it: the run's folder, documents, and pages for people."""
