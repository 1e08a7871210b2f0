"""Plans' contexts and CUDA graphs, and the memory for activations that they share."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import structlog

from service.backends.cuda import Cuda, CudaContextLost, CudaFailed, CudaOutOfMemory, Graph, Stream
from service.backends.device_table import DeviceTable
from service.backends.tensorrt_buffers import BufferSet, DeviceMemory, free_all
from service.backends.tensorrt_pieces import Piece
from service.backends.tensorrt_runtime import PlanContext, PlanEngine, TensorRtFailed
from service.domain.tensors import Shape
from service.plans.profiles import Profiles

_log = structlog.get_logger()


class _Place(NamedTuple):
    """What a graph is captured for, and so a context of its own made; all else shares its profile's."""

    profile: int
    buffers: BufferSet | None = None
    padded_rows: int = 0


class PlanExecution:
    """Runs pieces on one stream: contexts that share their activations must not run at once.

    What runs on a profile with fixed steps is captured as a CUDA graph, one for each number of rows and set
    of buffers: the addresses are part of the graph, so it is forgotten when one of them changes. A graph
    uses what its context held when it was captured, so each has a context that runs nothing else; a profile
    without graphs has one. With a `table` of states a run begins with the copies from its rows and ends with
    those to them, in the graph as without.
    """

    def __init__(self, cuda: Cuda, engines: Sequence[PlanEngine], captures: bool) -> None:
        self._cuda = cuda
        self.table: DeviceTable | None = None
        self._owners = [
            (engine, index, profile) for engine in engines for index, profile in enumerate(engine.profiles())
        ]
        self._activations = DeviceMemory(cuda)
        self._contexts: dict[_Place, PlanContext] = {}
        self._graphs: dict[_Place, Graph] = {}
        self._capturable = {i for i, profile in enumerate(self.profiles) if profile.is_fixed and captures}

    @property
    def profiles(self) -> Profiles:
        """All plans' profiles; pieces name them by their place in here."""
        return tuple(profile for _, _, profile in self._owners)

    def run(self, piece: Piece, shapes: dict[str, Shape], buffers: BufferSet, stream: Stream) -> bool:
        """Queue the piece; whether it is worth capturing now that TensorRT has seen its shape run."""
        graph = self._graphs.get(_Place(piece.profile, buffers, piece.padded_rows))
        if graph is not None:
            self._cuda.launch(graph, stream)
            return False
        context = self._context(self._place(piece, buffers), stream)
        for name, shape in shapes.items():
            if buffers.is_input(name):
                context.set_shape(name, shape)
            context.set_address(name, buffers.tensors[name].pointer)
        self._lend_activations(context, stream)
        self._enqueue(context, piece, buffers, stream)
        return piece.profile in self._capturable

    def capture(self, piece: Piece, buffers: BufferSet, stream: Stream) -> None:
        """Capture the piece that was just run; where that fails, its profile is run without graphs."""
        try:
            graph = self._captured(piece, buffers, stream)
        except CudaContextLost:
            raise
        except (CudaFailed, TensorRtFailed) as failure:
            self._stop_capturing(piece, buffers)
            profile = str(self.profiles[piece.profile])
            _log.warning("no CUDA graph for this profile", profile=profile, reason=str(failure))
        else:
            self._graphs[self._place(piece, buffers)] = graph

    def forget(self, buffers: BufferSet) -> None:
        """Destroy the graphs that hold addresses of these buffers."""
        for place in [place for place in self._graphs if place.buffers is buffers]:
            self._cuda.destroy_graph(self._graphs.pop(place))

    def close(self) -> None:
        """Free everything; nothing may be running."""
        graphs, self._graphs = self._graphs, {}
        free_all(partial(self._cuda.destroy_graph, graph) for graph in graphs.values())
        self._contexts.clear()
        self._owners.clear()
        free_all([self._activations.free])

    def _place(self, piece: Piece, buffers: BufferSet) -> _Place:
        if piece.profile in self._capturable:
            return _Place(piece.profile, buffers, piece.padded_rows)
        return _Place(piece.profile)

    def _context(self, place: _Place, stream: Stream) -> PlanContext:
        if place not in self._contexts:
            engine, index, _ = self._owners[place.profile]
            is_captured = place.buffers is not None
            self._contexts[place] = engine.create_context(index, stream, is_captured)
        return self._contexts[place]

    def _stop_capturing(self, piece: Piece, buffers: BufferSet) -> None:
        context = self._contexts.pop(self._place(piece, buffers))
        self._capturable.discard(piece.profile)
        # It goes on as the profile's: what it runs at this moment needs it alive.
        self._contexts[self._place(piece, buffers)] = context

    def _lend_activations(self, context: PlanContext, stream: Stream) -> None:
        # Never nothing: a null pointer is not memory.
        size = max(context.activation_bytes(), 1)
        if size > self._activations.size:
            self._cuda.synchronize(stream)
            while self._graphs:
                self._cuda.destroy_graph(self._graphs.popitem()[1])
            self._grow_activations(size)
        context.lend(self._activations.pointer, self._activations.size)

    def _grow_activations(self, size: int) -> None:
        try:
            # At least twofold: a batch a little larger than the last must not cost all graphs again.
            self._activations.reserve(max(size, 2 * self._activations.size))
        except CudaOutOfMemory:
            self._activations.reserve(size)

    def _enqueue(self, context: PlanContext, piece: Piece, buffers: BufferSet, stream: Stream) -> None:
        if self.table is not None:
            self.table.gather(buffers, piece.padded_rows, stream)
        context.enqueue(stream)
        if self.table is not None:
            self.table.scatter(buffers, piece.padded_rows, stream)

    def _captured(self, piece: Piece, buffers: BufferSet, stream: Stream) -> Graph:
        self._cuda.begin_capture(stream)
        try:
            self._enqueue(self._contexts[self._place(piece, buffers)], piece, buffers, stream)
        except BaseException:
            # The stream has to be taken out of capture in any case.
            with contextlib.suppress(CudaFailed):
                self._cuda.destroy_graph(self._cuda.end_capture(stream))
            raise
        return self._cuda.end_capture(stream)
