"""cuDNN through `torch.nn.LSTM` as a contender: a reference that is no engine of ours."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from load_tests.engines.contender import Absent, Contender, Field, Grid
from load_tests.engines.torch_lstm import ENGINE, TorchLstmBackend
from service.backends.protocol import Backend
from service.plans.driver import Device, Gpu
from service.plans.plan import Precision
from service.repository.scanner import Bundle


def cudnn_field(device: Device, precisions: Sequence[Precision]) -> Field:
    """One contender for each precision, where torch can reach the GPU."""
    reason = _objection(device)
    if reason:
        return Field((), [Absent(ENGINE, reason)])
    return Field([_contender(precision) for precision in precisions])


def _objection(device: Device) -> str | None:
    if not isinstance(device, Gpu):
        return device.reason
    missing = [name for name in ("torch", "onnx") if find_spec(name) is None]
    if missing:
        return f"{' and '.join(missing)} not installed: pip install -e '.[export]' in the clone"
    import torch

    if not torch.cuda.is_available():
        return f"torch {torch.__version__} does not reach the GPU: expected a build with CUDA"
    return None


def _contender(precision: Precision) -> Contender:
    def load(bundle: Bundle, grid: Grid) -> Backend:
        backend = TorchLstmBackend(precision, "cuda")
        backend.load(bundle.artifact)
        return backend

    return Contender(ENGINE, precision, "PyTorch's defaults", "gpu", load, times_device=True)
