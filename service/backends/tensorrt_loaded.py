"""Plans on the device, and what runs on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from service.backends.cuda import Cuda, CudaContextLost, CudaFailed
from service.backends.device_table import DeviceTable, StateRoom
from service.backends.tensorrt_buffers import BufferSet
from service.backends.tensorrt_execution import PlanExecution
from service.backends.tensorrt_layout import Answer, PlanLayout
from service.backends.tensorrt_pieces import Piece, cut, longest
from service.backends.tensorrt_runner import PlanRunner
from service.backends.tensorrt_runtime import TensorRtFailed, TensorRtRuntime, never_destroy
from service.domain.batches import Batch
from service.domain.device_states import DeviceStates
from service.domain.signature import Signature, StateSpec
from service.errors import EngineFailed

_log = structlog.get_logger()


@dataclass(slots=True)
class Pending:
    """A batch on the device; for `finish`, once."""

    last: Piece
    buffers: BufferSet
    answer: Answer
    # Named as long as the batch is under way: until then none of the rows is anybody else's.
    states: DeviceStates | None
    is_finished: bool = False


class LoadedPlans:
    """Raises what CUDA and TensorRT do."""

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
        self._runtime = runtime
        execution = PlanExecution(cuda, engines, captures)
        self.profiles = execution.profiles
        self.table: DeviceTable | None = None
        self.runner = PlanRunner(cuda, execution, self._layout)
        try:
            self.runner.open()
        except CudaContextLost:
            self.abandon()
            raise
        except CudaFailed:
            self.close()
            raise

    def keep_states(self, cuda: Cuda, states: Sequence[StateSpec], room: StateRoom) -> None:
        """Have a table for states; where the device refuses, they stay on the host."""
        table = DeviceTable(cuda, states, room)
        # One row is zeros.
        if table.rows < 2:
            return
        try:
            cuda.load_row_moves()
            self.runner.keep_states_in(table)
        except CudaContextLost:
            raise
        except CudaFailed as failure:
            _log.warning("states stay on the host", reason=str(failure))
        else:
            self.table = table

    def close(self) -> None:
        """Free everything on the device, also while batches are in flight."""
        try:
            self.runner.close()
        except CudaContextLost:
            self.abandon()

    def abandon(self) -> None:
        """Leave everything as it is, for good."""
        # On a lost device TensorRT's destructors throw where nothing can catch, and end the process.
        never_destroy(self)

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
        return Pending(pieces[-1], buffers, answer, batch.device_states)

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
