"""What ONNX Runtime is asked and what it answers: files in, sessions, profiles, the device it ran on."""
