"""The LSTM kinds, one PyTorch module each, and the same module as an ONNX graph beside it."""
