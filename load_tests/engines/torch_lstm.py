"""`torch.nn.LSTM` behind the backend's methods: on a GPU cuDNN's LSTM. Needs torch and onnx."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from service.backends.protocol import Artifact, Capability
from service.domain.batches import Batch, BatchResult
from service.domain.tensors import Array
from service.errors import EngineFailed, EngineOutOfMemory
from service.plans.plan import Precision

if TYPE_CHECKING:
    import torch

    from load_tests.engines.lstm_weights import LstmLayer

ENGINE = "torch.nn.LSTM"


class TorchLstmBackend:
    """The untrained bundles' network in torch; batches of equally long sequences only, as those here are.

    `compute_s` is the GPU's own time between events around the network, the wall time on a CPU.
    """

    def __init__(self, precision: Precision, device: str) -> None:
        import torch

        names = {Precision.FP32: "float32", Precision.FP16: "float16", Precision.BF16: "bfloat16"}
        self._dtype: torch.dtype = getattr(torch, names[precision])
        self._device = device
        self._lstm: Any = None
        self._head: Any = None

    @property
    def capability(self) -> Capability:
        return Capability("gpu" if self._device == "cuda" else "cpu", engine=ENGINE)

    def load(self, artifact: Artifact) -> None:
        """Take the weights out of the graph; raises EngineFailed where it is more than LSTMs and a head."""
        import torch

        from load_tests.engines.lstm_weights import read_lstm

        # PyTorch lets cuDNN round float32 to TF32's ten bits unless told otherwise: that would not be fp32.
        torch.backends.cudnn.allow_tf32 = False
        layers, head = read_lstm(artifact.onnx_path)
        with _reported():
            self._place(layers, head)

    def _place(self, layers: Sequence[LstmLayer], head: Array) -> None:
        import torch

        features, hidden = layers[0].input.shape[1], layers[0].recurrent.shape[1]
        lstm = torch.nn.LSTM(features, hidden, len(layers))
        for index, layer in enumerate(layers):
            weights = (layer.input, layer.recurrent, layer.input_bias, layer.recurrent_bias)
            for kind, array in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), weights, strict=True):
                getattr(lstm, f"{kind}_l{index}").data = torch.from_numpy(array)
        self._lstm = lstm.to(self._device, self._dtype).eval()
        self._lstm.flatten_parameters()
        self._head = torch.from_numpy(head).to(self._device, self._dtype)

    def run(self, batch: Batch) -> BatchResult:
        import torch

        if (batch.lengths != batch.padded_steps).any():
            raise EngineFailed(f"{ENGINE}: expected sequences of equal length")
        with _reported(), torch.inference_mode():
            return self._run(batch)

    def close(self) -> None:
        """PyTorch would keep the GPU's memory to itself, and the next engine have none."""
        import torch

        self._lstm = self._head = None
        torch.cuda.empty_cache()

    def _run(self, batch: Batch) -> BatchResult:
        import torch

        sequence, *flat = (
            torch.from_numpy(array).to(self._device, self._dtype) for array in (batch.sequence, *batch.states)
        )
        states = torch.stack(flat[0::2]), torch.stack(flat[1::2])
        clock = _GpuClock() if self._device == "cuda" else _CpuClock()
        y, (h, c) = self._lstm(sequence, states)
        output = torch.softmax(y[-1] @ self._head, dim=-1)
        read_s = clock.stop()
        arrays = [tensor.float().cpu().numpy() for tensor in (output, h, c)]
        new = [part for pair in zip(arrays[1], arrays[2], strict=True) for part in pair]
        return BatchResult(arrays[0], tuple(map(np.asarray, new)), self.capability.device, read_s())


@contextmanager
def _reported() -> Iterator[None]:
    """What PyTorch raises, as what a backend raises."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as failure:
        torch.cuda.empty_cache()
        raise EngineOutOfMemory(f"{ENGINE}: {failure}") from failure
    except RuntimeError as failure:
        raise EngineFailed(f"{ENGINE}: {failure}") from failure


class _GpuClock:
    def __init__(self) -> None:
        import torch

        self._began, self._ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        self._began.record()

    def stop(self) -> Callable[[], float]:
        self._ended.record()
        return self._seconds

    def _seconds(self) -> float:
        """Once the results were copied, the device has passed both events."""
        return float(self._began.elapsed_time(self._ended)) / 1e3


class _CpuClock:
    def __init__(self) -> None:
        self._began_s = time.perf_counter()

    def stop(self) -> Callable[[], float]:
        taken_s = time.perf_counter() - self._began_s
        return lambda: taken_s
