"""An ONNX file from anywhere, looked through before a runtime opens it."""

from service.repository.model_file.checks import look_through

__all__ = ["look_through"]
