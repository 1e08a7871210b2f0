"""The first engine is killed, hung and poisoned under load: nothing lost, nothing wrong, it comes back."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from dataclasses import replace

import httpx
import numpy as np
import pytest
from on_a_loop import on_a_loop

from service.app import Carousel
from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.backends.protocol import Backend, Capability
from service.domain.batches import Batch, BatchResult
from service.domain.clock import LoopClock
from service.errors import EngineFailed
from service.repository.acceleration import Accelerator
from service.repository.golden import GoldenVectors, read_golden
from service.repository.scanner import Bundle
from service.settings import Settings

CALLERS = 16
STALL_S = 0.15
LONGEST_S = 30.0


class FirstEngine(OnnxRuntimeBackend):
    """Stands for a GPU: the same computation, and the fault that the test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.fault: str | None = None
        self.gate = threading.Event()

    @property
    def capability(self) -> Capability:
        return Capability("gpu", engine="tensorrt")

    def run(self, batch: Batch) -> BatchResult:
        if self.fault == "killed":
            raise EngineFailed("the device is gone")
        if self.fault == "hung":
            assert self.gate.wait(LONGEST_S)
        result = replace(super().run(batch), device="gpu")
        if self.fault == "poisoned":
            return replace(result, output=result.output * np.float32(np.nan))
        return result


class Source:
    """Makes first engines, and remembers the one of each model."""

    name = "tensorrt"

    def __init__(self) -> None:
        self.engines: dict[str, FirstEngine] = {}

    def tolerance(self, bundle: Bundle) -> float:
        return bundle.manifest.tolerance.reference

    async def prepare(self, bundle: Bundle) -> None:
        """Nothing takes long here."""

    def load(self, bundle: Bundle) -> Backend:
        engine = self.engines.setdefault(bundle.manifest.name, FirstEngine())
        engine.load(bundle.artifact)
        return engine


class Load:
    """Callers who ask one golden sequence after the other until told to stop, and check each answer."""

    def __init__(self, client: httpx.AsyncClient, golden: GoldenVectors) -> None:
        self._client = client
        self._golden = golden
        self.is_over = False
        self.devices: Counter[str] = Counter()
        self.turn = asyncio.Event()

    async def call(self, first: int) -> None:
        number = first
        while not self.is_over:
            index = number % len(self._golden.sequences)
            number += 1
            body = {"sequence": self._golden.sequences[index].tolist(), "include_outputs": True}
            response = await self._client.post("/predict/gait", json=body)
            assert response.status_code == 200, response.text
            answer = response.json()
            np.testing.assert_allclose(
                answer["predictions"][0]["output"], self._golden.outputs[index], atol=1e-5
            )
            self.devices[answer["device"]] += 1
            self.turn.set()

    async def until(self, device: str, count: int) -> None:
        """So many more answers from a device."""
        due = self.devices[device] + count
        while self.devices[device] < due:
            self.turn.clear()
            await asyncio.wait_for(self.turn.wait(), LONGEST_S)


@pytest.mark.parametrize("fault", ["killed", "hung", "poisoned"])
@on_a_loop
async def test_a_lost_engine_costs_no_answer_and_is_in_use_again_when_it_heals(fault, published):
    carousel = Carousel(Settings(models_dir=published, engines=()))
    await carousel.start()
    source = Source()
    await Accelerator([source], LoopClock(), STALL_S).accelerate(carousel.registry.models)
    engine = source.engines["gait"]
    transport = httpx.ASGITransport(app=carousel)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://carousel", timeout=LONGEST_S
    ) as client:
        load = Load(client, read_golden(published / "gait" / "1"))
        callers = [asyncio.create_task(load.call(first)) for first in range(CALLERS)]
        await load.until("gpu", 50)
        engine.fault = fault
        await load.until("cpu", 200)
        assert (await client.get("/v2/models/gait/ready")).json()["degraded"] is True
        engine.fault = None
        engine.gate.set()
        await load.until("gpu", 50)
        load.is_over = True
        await asyncio.gather(*callers)
        page = (await client.get("/metrics")).text
    reason = {"killed": "error", "hung": "stall", "poisoned": "not_finite"}[fault]
    assert f'from_device="gpu",model="gait",reason="{reason}",to_device="cpu"' in page
    in_use = 'carousel_engine_state{engine="tensorrt",model="gait",state="in_use",version="1"} 1.0'
    assert in_use in page
    await carousel.stop()
