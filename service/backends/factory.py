"""Which backend serves on this machine; a runtime is imported only when it is chosen."""

from __future__ import annotations

from service.backends.protocol import Backend
from service.settings import Settings


def create_backend(settings: Settings) -> Backend:
    """A backend that is not loaded yet."""
    from service.backends.onnxruntime_backend import OnnxRuntimeBackend

    return OnnxRuntimeBackend(settings.cpu_threads)
