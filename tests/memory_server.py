"""A whole server without disk or sockets: the real application around an engine that can be foretold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import numpy as np
from fakes import HurriedClock, RunningSumBackend, running_sum, running_sum_signature
from pydantic import BaseModel
from quick_routes import remember_endpoints
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.error_responses import ErrorResponses
from service.app import Carousel
from service.backends.canary import Canary
from service.backends.engine_thread import EngineThread
from service.backends.fallback import FallbackEngine
from service.batching.cost_model import EngineCosts
from service.domain.signature import Readout, Signature
from service.repository.feedback import Feedback
from service.repository.golden import GoldenVectors
from service.repository.manifest import ONNX, Kind, Manifest, Output, State, Step, Task, Tolerance
from service.repository.proving import blank_batch
from service.repository.scanner import Bundle
from service.repository.scheduling import scheduler_of, sessions_of
from service.repository.served_model import ServedModel
from service.repository.wording import wording_of
from service.settings import Settings
from service.telemetry.tracing import Tracing

remember_endpoints()

SYMBOLS = "abcdefgh"
_USUAL: dict[str, Any] = {"model_control": "open", "session_store": None}


class GivenSettings(Settings):
    """What a test gives and no environment: looking for a hundred variables takes six milliseconds."""

    def __init__(self, **given: Any) -> None:
        BaseModel.__init__(self, **given)


class LateRoutes:
    """The application behind the hot doors, made when the first request comes to it: few tests send one."""

    def __init__(self, make: Callable[[], ASGIApp]) -> None:
        self._made = cache(make)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._made()(scope, receive, send)


class QuickCarousel(Carousel):
    """The application without the twenty milliseconds that FastAPI takes to make its routes."""

    def _fastapi(self, errors: ErrorResponses) -> ASGIApp:
        make = super()._fastapi
        return LateRoutes(lambda: make(errors))


class MemoryServer:
    """Serves `sums` (steps of two numbers, readout last), `running` (every step) and `letters` (text)."""

    def __init__(self, tracer: Tracing | None = None, **settings: Any) -> None:
        self.carousel = QuickCarousel(GivenSettings(**_USUAL | settings), tracer)
        self.clock = HurriedClock()
        self.backends = {
            "sums": RunningSumBackend(),
            "running": RunningSumBackend(Readout.EVERY_STEP),
            "letters": RunningSumBackend(Readout.EVERY_STEP, symbols=len(SYMBOLS)),
        }
        transport = httpx.ASGITransport(app=self.carousel)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://carousel", timeout=20)

    async def __aenter__(self) -> Self:
        for name, backend in self.backends.items():
            self.carousel.registry.add(self._served(name, backend))
        self.carousel._set_ready(True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for backend in self.backends.values():
            backend.gate.set()
        await self.client.aclose()
        await self.carousel.registry.close()

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """POST bytes as they are, anything else as JSON."""
        if not isinstance(body, bytes):
            return await self.client.post(path, json=body, headers=headers)
        return await self.client.post(
            path, content=body, headers={"content-type": "application/json", **headers}
        )

    async def hold(self, name: str = "sums", steps: tuple[int, ...] = (3,)) -> asyncio.Task[httpx.Response]:
        """A request that is with the engine and stays there until the gate is opened."""
        backend = self.backends[name]
        backend.gate.clear()
        sequences = [[[number, 1] for number in range(count)] for count in steps]
        request = asyncio.create_task(self.post(f"/predict/{name}", {"sequences": sequences}))
        assert await asyncio.to_thread(backend.entered.acquire, timeout=10)
        return request

    def metric(self, name: str, **labels: str) -> float:
        """A sample's value, 0 where it has none yet."""
        return self.carousel.metrics.registry.get_sample_value(f"carousel_{name}", labels) or 0.0

    def _served(self, name: str, backend: RunningSumBackend) -> ServedModel:
        settings, metrics = self.carousel.settings, self.carousel.metrics.for_model(name, "1")
        engine = EngineThread(backend, name, asyncio.get_running_loop())
        engine.start()
        engines = FallbackEngine(engine, self.clock, metrics.engines)
        costs = EngineCosts(lambda: engines.capability.engine)
        manifest = manifest_of(name, backend)
        scheduler = scheduler_of(
            settings, manifest, engines, costs, self.clock, metrics, self.carousel._batch_observer
        )
        metrics.waiting.set_function(lambda: scheduler.waiting)
        symbols = {symbol: index for index, symbol in enumerate(manifest.step.symbols or ())}
        return ServedModel(
            Bundle(Path(name), manifest),
            backend.signature,
            scheduler,
            engines,
            costs,
            wording_of(manifest),
            symbols,
            GoldenVectors(),
            canary_of_sums(backend.signature),
            metrics,
            sessions_of(settings, manifest, scheduler, self.clock, metrics),
        )


def canary_of_sums(signature: Signature | None = None) -> Canary:
    """Zeros sum up to zero: four steps seen, nothing added."""
    signature = signature or running_sum_signature()
    sums = running_sum(np.zeros((4, *signature.step_shape), signature.step_datatype.dtype))
    due = sums[:, None] if signature.has_step_outputs else sums[-1:]
    return Canary(blank_batch(signature, 1, 4), due, 1e-6)


def manifest_of(name: str, backend: RunningSumBackend) -> Manifest:
    signature = backend.signature
    return Manifest(
        name=name,
        version="1",
        kind=Kind.IMPORTED,
        task=Task.TENSOR,
        description="running sums",
        causal=True,
        step=Step(
            datatype=signature.step_datatype,
            shape=signature.step_shape,
            symbols=tuple(SYMBOLS) if signature.symbol_count else None,
        ),
        output=Output(shape=(2,), readout=signature.readout),
        states=(State(input="sum_in", output="sum_out", shape=(2,)),),
        # What is forecast is the sum, which is the next step's second number.
        feedback=None if signature.symbol_count else Feedback(step=(1,), output=(1,)),
        tolerance=Tolerance(reference=0, batched=0, chunked=0),
        files={ONNX: "0" * 64},
    )
