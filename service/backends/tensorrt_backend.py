"""TensorRT on the GPU, full or RTX: a bundle's plans behind the backend's four methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from service.backends.cuda import Cuda, CudaContextLost, CudaFailed, CudaOutOfMemory
from service.backends.device_table import StateRoom
from service.backends.protocol import Artifact, Capability
from service.backends.tensorrt_loaded import LoadedPlans, Pending
from service.backends.tensorrt_runner import IN_FLIGHT
from service.backends.tensorrt_runtime import TensorRtFailed, TensorRtOutOfMemory, TensorRtRuntime
from service.domain.batches import Batch, BatchResult
from service.domain.replay import NOTHING
from service.errors import EngineBroken, EngineFailed, EngineOutOfMemory
from service.plans.profiles import Profiles


class TensorRtBackend:
    """Runs plans given as bytes, one or more; what each is for is read from the plan itself.

    A batch is padded to the nearest profile; one with more rows, or of longer sequences of a causal model,
    is run in pieces. `compute_s` is the device's own time between the events around the runs, without
    copies and without waiting behind another batch. Memory is taken on first use of a shape and kept. Given
    `room`, it keeps states on the device; where they cannot be there, it serves without.
    """

    def __init__(
        self,
        plans: Sequence[bytes],
        cuda: Cuda,
        runtime: TensorRtRuntime,
        captures: bool = True,
        room: StateRoom | None = None,
    ) -> None:
        self._plans = plans
        self._cuda = cuda
        self._runtime = runtime
        self._captures = captures
        self._room = room
        self._loaded: LoadedPlans | None = None
        self._lost: str | None = None
        self._update_capability()

    @property
    def capability(self) -> Capability:
        """Any number of rows; any length where the model is causal, else the longest profile's."""
        return self._capability

    @property
    def profiles(self) -> Profiles:
        """What the loaded plans were built for, in their order."""
        return self._loaded.profiles if self._loaded else ()

    def load(self, artifact: Artifact) -> None:
        """Deserialize the plans; raises EngineFailed where one is not for this device or this bundle."""
        self.close()
        self._lost = None
        try:
            with self._reported():
                self._loaded = LoadedPlans(
                    self._plans, self._cuda, self._runtime, artifact.signature, self._captures
                )
                if self._room is not None and artifact.signature.states:
                    self._loaded.keep_states(self._cuda, artifact.signature.states, self._room)
        finally:
            self._update_capability()

    def run(self, batch: Batch) -> BatchResult:
        """Compute one batch; raises EngineFailed, EngineOutOfMemory where fewer rows may fit."""
        return self.finish(self.start(batch))

    def start(self, batch: Batch) -> Pending | BatchResult:
        """Hand a batch to the device and return while it runs; the batch's memory may then be used again.

        One without rows, which brings states to the host, is waited for.
        """
        loaded = self._usable()
        with self._reported():
            if batch.device_states is not None and not batch.rows:
                read = loaded.runner.read(batch.device_states.read)
                return BatchResult(NOTHING, (), "gpu", 0.0, is_resident=True, read=read)
            return loaded.start(batch)

    def finish(self, pending: Pending | BatchResult) -> BatchResult:
        """Wait for a batch; its arrays are the caller's for good."""
        loaded = self._usable()
        if isinstance(pending, BatchResult):
            return pending
        with self._reported():
            answer = loaded.finish(pending)
        is_resident = pending.states is not None
        return BatchResult(answer.output, answer.states, "gpu", answer.compute_s, is_resident=is_resident)

    def close(self) -> None:
        """Free everything on the device, also while batches are in flight; nothing on one that is lost."""
        loaded, self._loaded = self._loaded, None
        self._update_capability()
        if loaded and not self._lost:
            loaded.close()

    def _update_capability(self) -> None:
        """Where it changes: it is asked for several times a request, and made only here."""
        loaded = self._loaded
        steps = loaded.max_steps if loaded else None
        table = loaded.table if loaded and not self._lost else None
        self._capability = Capability(
            "gpu", max_padded_steps=steps, engine=self._runtime.name, in_flight=IN_FLIGHT, table=table
        )

    def _usable(self) -> LoadedPlans:
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
            if self._loaded:
                self._loaded.abandon()
            self._update_capability()
            raise EngineBroken(self._lost) from failure
        except (CudaOutOfMemory, TensorRtOutOfMemory) as failure:
            raise EngineOutOfMemory(f"the GPU has no room: {failure}") from failure
        except CudaFailed as failure:
            raise EngineFailed(f"CUDA: {failure}") from failure
        except TensorRtFailed as failure:
            raise EngineFailed(f"TensorRT: {failure}") from failure
