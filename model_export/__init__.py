"""From data to bundle: train in PyTorch, write the ONNX sequence graph, verify it, publish."""
