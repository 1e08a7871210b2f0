"""TensorRT on the GPU, full or RTX: a bundle's plans behind the backend's four methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from service.backends.cuda import Cuda, CudaContextLost, CudaFailed, CudaOutOfMemory
from service.backends.protocol import Artifact, Capability
from service.backends.tensorrt_buffers import BufferSet
from service.backends.tensorrt_execution import PlanExecution
from service.backends.tensorrt_layout import Answer, PlanLayout
from service.backends.tensorrt_pieces import Piece, cut, longest
from service.backends.tensorrt_runner import IN_FLIGHT, PlanRunner
from service.backends.tensorrt_runtime import TensorRtFailed, TensorRtOutOfMemory, TensorRtRuntime
from service.domain.batches import Batch, BatchResult
from service.domain.signature import Signature
from service.errors import EngineBroken, EngineFailed, EngineOutOfMemory
from service.plans.profiles import Profiles


@dataclass(slots=True)
class Pending:
    """A batch on the device; for `finish`, once."""

    last: Piece
    buffers: BufferSet
    answer: Answer
    is_finished: bool = False


class TensorRtBackend:
    """Runs plans given as bytes, one or more; what each is for is read from the plan itself.

    A batch is padded to the nearest profile; one with more rows, or of longer sequences of a causal model,
    is run in pieces. `compute_s` is the device's own time between the events around the runs, without
    copies and without waiting behind another batch. Memory is taken on first use of a shape and kept.
    """

    def __init__(
        self, plans: Sequence[bytes], cuda: Cuda, runtime: TensorRtRuntime, captures: bool = True
    ) -> None:
        self._plans = plans
        self._cuda = cuda
        self._runtime = runtime
        self._captures = captures
        self._loaded: _Loaded | None = None
        self._lost: str | None = None

    @property
    def capability(self) -> Capability:
        """Any number of rows; any length where the model is causal, else the longest profile's."""
        steps = self._loaded.max_steps if self._loaded else None
        return Capability("gpu", max_padded_steps=steps, engine=self._runtime.name, in_flight=IN_FLIGHT)

    @property
    def profiles(self) -> Profiles:
        """What the loaded plans were built for, in their order."""
        return self._loaded.profiles if self._loaded else ()

    def load(self, artifact: Artifact) -> None:
        """Deserialize the plans; raises EngineFailed where one is not for this device or this bundle."""
        self.close()
        self._lost = None
        with self._reported():
            self._loaded = _Loaded(self._plans, self._cuda, self._runtime, artifact.signature, self._captures)

    def run(self, batch: Batch) -> BatchResult:
        """Compute one batch; raises EngineFailed, EngineOutOfMemory where fewer rows may fit."""
        return self.finish(self.start(batch))

    def start(self, batch: Batch) -> Pending:
        """Hand a batch to the device and return while it runs; the batch's memory may then be used again."""
        loaded = self._usable()
        with self._reported():
            return loaded.start(batch)

    def finish(self, pending: Pending) -> BatchResult:
        """Wait for a batch; its arrays are the caller's for good."""
        loaded = self._usable()
        with self._reported():
            answer = loaded.finish(pending)
        return BatchResult(answer.output, answer.states, "gpu", answer.compute_s)

    def close(self) -> None:
        """Free everything on the device, also while batches are in flight."""
        loaded, self._loaded = self._loaded, None
        if loaded:
            loaded.runner.close()

    def _usable(self) -> _Loaded:
        if self._loaded is None:
            raise EngineFailed("run before load. This is a bug.")
        if self._lost:
            raise EngineBroken(self._lost)
        return self._loaded

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Whatever the device raises, as what the caller is told."""
        try:
            yield
        except CudaContextLost as failure:
            self._lost = f"the GPU is lost to this process until it is started again: {failure}"
            raise EngineBroken(self._lost) from failure
        except (CudaOutOfMemory, TensorRtOutOfMemory) as failure:
            raise EngineOutOfMemory(f"the GPU has no room: {failure}") from failure
        except CudaFailed as failure:
            raise EngineFailed(f"CUDA: {failure}") from failure
        except TensorRtFailed as failure:
            raise EngineFailed(f"TensorRT: {failure}") from failure


class _Loaded:
    """Plans on the device."""

    def __init__(
        self,
        plans: Sequence[bytes],
        cuda: Cuda,
        runtime: TensorRtRuntime,
        signature: Signature,
        captures: bool,
    ) -> None:
        # The first call to CUDA fails where there is no driver; TensorRT would crash the process instead.
        cuda.destroy_stream(cuda.create_stream())
        engines = [runtime.deserialize(plan) for plan in plans]
        layouts = [PlanLayout(signature, engine.tensors()) for engine in engines]
        if not layouts:
            raise TensorRtFailed("expected at least one plan, got none")
        self._layout = layouts[0]
        self._is_causal = signature.is_causal
        execution = PlanExecution(cuda, engines, captures)
        self.profiles = execution.profiles
        self.runner = PlanRunner(cuda, execution, self._layout)
        try:
            self.runner.open()
        except CudaFailed:
            self.runner.close()
            raise

    @property
    def max_steps(self) -> int | None:
        return None if self._is_causal else longest(self.profiles)

    def start(self, batch: Batch) -> Pending:
        self._layout.check(batch)
        pieces = cut(self.profiles, batch.lengths, self._is_causal)
        buffers = self.runner.take(pieces)
        try:
            answer = self._layout.answer(batch)
            for piece in pieces[:-1]:
                self.runner.launch(piece, batch, buffers)
                self.runner.collect(piece, buffers, answer)
            self.runner.launch(pieces[-1], batch, buffers)
        except BaseException:
            self.runner.abandon(buffers)
            raise
        return Pending(pieces[-1], buffers, answer)

    def finish(self, pending: Pending) -> Answer:
        if pending.is_finished:
            raise EngineFailed("a batch was finished twice. This is a bug.")
        pending.is_finished = True
        try:
            self.runner.collect(pending.last, pending.buffers, pending.answer)
        except BaseException:
            self.runner.abandon(pending.buffers)
            raise
        self.runner.release(pending.buffers)
        return pending.answer
