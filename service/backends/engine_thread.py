"""An engine: a backend on its own thread. The only thread hop of a request."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import TypeAlias

from service.backends.protocol import Artifact, Backend, Capability
from service.domain.batches import Batch, BatchResult

Outcome: TypeAlias = BatchResult | Exception
_Job: TypeAlias = tuple[Callable[[], Outcome], Callable[[Outcome], None]]


class EngineThread:
    """Runs one backend's calls in order, on one thread, and reports on the event loop."""

    def __init__(self, backend: Backend, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self._backend = backend
        self._loop = loop
        self._inbox: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"engine-{name}", daemon=True)

    @property
    def capability(self) -> Capability:
        return self._backend.capability

    def start(self) -> None:
        self._thread.start()

    def load(self, artifact: Artifact) -> None:
        """Load the model; blocking, before the thread has work."""
        self._backend.load(artifact)

    def submit(self, batch: Batch, on_outcome: Callable[[Outcome], None]) -> None:
        """Run a batch; `on_outcome` is called on the event loop with the result or the failure."""
        self._inbox.put((lambda: self._backend.run(batch), on_outcome))

    async def stop(self) -> None:
        """Finish what was submitted, end the thread and close the backend."""
        self._inbox.put(None)
        await asyncio.to_thread(self._thread.join)
        self._backend.close()

    def _work(self) -> None:
        while (job := self._inbox.get()) is not None:
            run, on_outcome = job
            try:
                outcome: Outcome = run()
            except Exception as failure:  # noqa: BLE001 - whatever a runtime raises belongs to this batch alone
                outcome = failure
            self._loop.call_soon_threadsafe(on_outcome, outcome)
