"""Brings someone else's ONNX LSTM, GRU or RNN into the sequence-graph contract, or says why it cannot."""

from model_export.onnx_import.imported_model import ImportedModel
from model_export.onnx_import.importer import import_model
from model_export.onnx_import.refusal import ImportRefused
from model_export.onnx_import.verification import verify

__all__ = ["ImportRefused", "ImportedModel", "import_model", "verify"]
