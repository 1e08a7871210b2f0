"""What a tick computed, to each ride what is its own; and everything that is counted of it."""

from __future__ import annotations

import numpy as np

from service.batching.residency import Residency
from service.batching.ride import Ride
from service.batching.slot import FRESH
from service.batching.state_slots import StateSlots
from service.batching.tick import Tick
from service.domain.batches import BatchResult
from service.domain.clock import Clock
from service.domain.device_states import DeviceStates, ResidentState
from service.domain.signature import Signature
from service.errors import EngineFailed
from service.telemetry.metrics import ModelMetrics


class Progress:
    """Advances rides by a tick, rests their states in slots, and answers those at their end."""

    def __init__(
        self,
        signature: Signature,
        slots: StateSlots,
        residency: Residency,
        clock: Clock,
        metrics: ModelMetrics,
    ) -> None:
        self._has_step_outputs = signature.has_step_outputs
        self._slots = slots
        self._residency = residency
        self._clock = clock
        self._metrics = metrics

    def advance(self, tick: Tick, result: BatchResult) -> list[Ride]:
        """Commit what was computed; returns the rides that go on."""
        going_on: list[int] = []
        for row, (ride, steps) in enumerate(zip(tick.rides, tick.steps, strict=True)):
            if not result.is_finite and not self._is_finite(result, row, steps):
                self.fail(ride, EngineFailed("the engine's output is not finite for this sequence"))
                continue
            if self._has_step_outputs:
                ride.join(result.output[:steps, row])
            ride.done += steps
            ride.left -= steps
            ride.compute_s += result.compute_s
            ride.is_degraded = ride.is_degraded or result.is_degraded
            if ride.left:
                going_on.append(row)
        riding = [tick.rides[row] for row in going_on]
        self._rest(tick, riding, going_on, result)
        return riding

    def hand_out(self, tick: Tick, result: BatchResult, ended_s: float) -> None:
        """Answer those at their end, and count the tick."""
        handing_s = self._clock.now()
        rows = len(tick.rides)
        arrived = [row for row, ride in enumerate(tick.rides) if not ride.left]
        for row in arrived:
            self._answer(tick, result, row, ended_s)
        handing_s = self._clock.now() - handing_s
        self._metrics.statistics.batch_ran(rows, ended_s - tick.started_s, result.compute_s, handing_s)
        self._metrics.batch_ran(result.device, result.compute_s, result.row_steps(tick.batch), tick.steps)
        self._metrics.tick_ran(result.device, tick.batch.padded_steps)
        tickets = [tick.rides[row].ticket for row in arrived]
        waits_s = [ticket.started_s - ticket.arrived_s for ticket in tickets]
        self._metrics.sequences_ended(result.device, [ticket.steps for ticket in tickets], waits_s)

    def fail(self, ride: Ride, error: EngineFailed) -> None:
        self._release(ride)
        ride.ticket.fail(error)

    def _answer(self, tick: Tick, result: BatchResult, row: int, ended_s: float) -> None:
        ride = tick.rides[row]
        if not self._has_step_outputs:
            ride.output = result.output[row]
        self._release(ride)
        states = tick.batch.device_states if result.is_resident else None
        resident = None
        # Only a session goes on from where this one ended.
        if states is not None and ride.ticket.slot is not FRESH:
            resident = self._state_after(tick, states, row, result, ended_s)
        ride.ticket.resolve(ride.answer(result, row, len(tick.rides), ended_s, resident))

    def _rest(self, tick: Tick, riding: list[Ride], rows: list[int], result: BatchResult) -> None:
        """Put the states of those who go on into their slots."""
        for ride in riding:
            if not ride.has_own_slot:
                ride.rest_in(self._slots.take())
        states = tick.batch.device_states if result.is_resident else None
        if states is None:
            self._slots.commit([ride.slot for ride in riding], rows, result.states)
            return
        now_s = self._clock.now()
        for ride, row in zip(riding, rows, strict=True):
            self._slots.keep(ride.slot, self._state_after(tick, states, row, result, now_s))

    def _state_after(
        self, tick: Tick, states: DeviceStates, row: int, result: BatchResult, now_s: float
    ) -> ResidentState:
        ride = tick.rides[row]
        chunk = ride.ticket.sequence[ride.done - tick.steps[row] : ride.done]
        return self._residency.after(states, row, chunk, result, now_s)

    def _release(self, ride: Ride) -> None:
        if ride.has_own_slot:
            self._slots.release(ride.slot)

    def _is_finite(self, result: BatchResult, row: int, steps: int) -> bool:
        output = result.output[:steps, row] if self._has_step_outputs else result.output[row]
        return bool(np.isfinite(output).all())
