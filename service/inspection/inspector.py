"""Inspections of the models in service: few at a time, on a thread, beside what serves."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from service.backends.daemon_call import called_on_a_daemon
from service.domain.clock import Clock
from service.domain.inference import InferRequest, InferResult
from service.domain.tensors import Array
from service.errors import BodyTooLarge, DeadlineExceeded, EngineFailed, Overloaded
from service.inspection.inspected_model import InspectedModel
from service.inspection.inspection import Inspection
from service.plans.plan import Precision
from service.predictor import Predictor
from service.repository.proving import tolerance_of
from service.repository.served_model import ServedModel
from service.settings import Settings

_T = TypeVar("_T")

# One runs; who comes while so many are here is sent away.
_MOST_AT_A_TIME = 4
_COME_BACK_S = 1.0
# Each has its model's weights in memory once more.
_MOST_OPEN = 2


@dataclass(frozen=True, slots=True)
class InspectedAnswer:
    """What the model answered, as to anybody who asks, and what its layers did to get there.

    `sequence` is `[steps, *step]`; `output_difference` is the largest between the answer and the output of
    the inspected run.
    """

    model: ServedModel
    sequence: Array
    result: InferResult
    inspection: Inspection
    output_difference: float


class Inspector:
    """Asks the engine that serves, then computes the same anew; whatever differs is refused."""

    def __init__(self, predictor: Predictor, settings: Settings, clock: Clock) -> None:
        self._predictor = predictor
        self._settings = settings
        self._clock = clock
        self._present = 0
        self._turn = asyncio.Lock()
        self._open: OrderedDict[tuple[str, str], InspectedModel] = OrderedDict()

    async def inspect(self, request: InferRequest, render: Callable[[InspectedAnswer], _T]) -> _T:
        """What `render` makes of the inspection of the request's one sequence, on the inspection's thread.

        Raises Overloaded where too many are here, and else what the predictor and the model raise.
        """
        model = self._predictor.registry.find(request.model, request.version)
        timeout_s = self._settings.default_timeout_s if request.timeout_s is None else request.timeout_s
        due_s = self._clock.now() + timeout_s
        with self._place():
            # Whoever is refused by the predictor is refused here too, in its words.
            result = await self._predictor.infer(request._replace(version=model.manifest.version))
            try:
                async with asyncio.timeout(due_s - self._clock.now()), self._turn:
                    return await called_on_a_daemon(
                        lambda: render(self._inspected(model, result, request.sequences[0], due_s))
                    )
            except TimeoutError:
                raise _too_late() from None

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._present >= _MOST_AT_A_TIME:
            raise Overloaded(
                f"inspection: {self._present} are being answered, which is the most at a time", _COME_BACK_S
            )
        self._present += 1
        try:
            yield
        finally:
            self._present -= 1

    def _inspected(
        self, model: ServedModel, result: InferResult, values: Array, due_s: float
    ) -> InspectedAnswer:
        def check() -> None:
            if self._clock.now() > due_s:
                raise _too_late()

        inspected = self._inspected_model(model)
        self._check_size(len(values), inspected.units)
        sequence = np.asarray(values, model.signature.step_datatype.dtype)
        inspection = inspected.inspect(sequence, check)
        difference = self._checked_difference(model, result, inspection)
        return InspectedAnswer(model, sequence, result, inspection, difference)

    def _inspected_model(self, model: ServedModel) -> InspectedModel:
        """Made anew where the bundle has changed, under the same version too."""
        artifact = model.bundle.artifact
        key = str(artifact.onnx_path), artifact.sha256 or ""
        inspected = self._open.pop(key, None) or InspectedModel(artifact)
        self._open[key] = inspected
        while len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)
        return inspected

    def _check_size(self, steps: int, units: int) -> None:
        most = self._settings.max_inspected_unit_steps
        if steps * units > most:
            raise BodyTooLarge(
                f"sequence: {steps} steps of a model with {units} units are {steps * units:,} unit steps to "
                f"inspect, at most {most:,} are allowed: {most // units} steps"
            )

    def _checked_difference(self, model: ServedModel, result: InferResult, inspection: Inspection) -> float:
        precision = Precision(self._settings.gpu_precision) if result.device == "gpu" else Precision.FP32
        # Either may be off by the tolerance.
        most = 2 * tolerance_of(model.manifest, model.golden, precision)
        difference = float(np.abs(result.outputs[0] - inspection.output).max())
        if not difference <= most:
            raise EngineFailed(
                f"inspection: its output differs by {difference:.3g} from the answer of {result.device}: "
                f"expected {most:.3g} at most"
            )
        return difference


def _too_late() -> DeadlineExceeded:
    return DeadlineExceeded("timeout: the deadline passed during the inspection")
