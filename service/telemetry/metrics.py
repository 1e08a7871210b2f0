"""Every instrument on one page: names, units, labels, buckets."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics

from service.telemetry.counts import Statistics
from service.telemetry.loop_histogram import LoopHistogram

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)
_LONG_SECONDS = (0.1, 1.0, 10.0, 60.0, 300.0, 1800.0, 7200.0, 28_800.0, 86_400.0)
_STEPS = (1, 4, 16, 64, 256, 1024, 4096, 16384)

_ERRORS = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)

_Instrument = TypeVar("_Instrument", Counter, Gauge, LoopHistogram)

# Why a WebSocket was closed whose client closed it.
CLIENT = "client"
_CLOSE_CODES = frozenset({1000, 1001, 1002, 1005, 1006, 1007, 1008, 1009, 1011, 1012})

_MODEL = ("model", "version")
_DEVICE = (*_MODEL, "device")


class Metrics:
    """The instruments of one server, in one registry; the same for every device, so that they divide."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        # A second series per counter that nobody here asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]

        self._by_version: list[Counter | Gauge | LoopHistogram] = []

        def kept(instrument: _Instrument, labels: tuple[str, ...]) -> _Instrument:
            if labels[:2] == _MODEL:
                self._by_version.append(instrument)
            return instrument

        def counter(name: str, text: str, labels: tuple[str, ...]) -> Counter:
            return kept(Counter(f"carousel_{name}", text, labels, registry=registry), labels)

        def gauge(name: str, text: str, labels: tuple[str, ...]) -> Gauge:
            return kept(Gauge(f"carousel_{name}", text, labels, registry=registry), labels)

        def histogram(
            name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...]
        ) -> LoopHistogram:
            return kept(LoopHistogram(f"carousel_{name}", text, labels, buckets, registry), labels)

        self.sequences = counter("sequences_total", "Sequences computed.", _DEVICE)
        self.steps = counter("steps_total", "Time steps of computed sequences.", _DEVICE)
        self.padded_steps = counter("padded_steps_total", "Steps computed for padding only.", _DEVICE)
        self.compute_seconds = histogram("compute_seconds", "Engine time of a batch.", _DEVICE, _SECONDS)
        self.queue_seconds = histogram("queue_seconds", "Wait of a sequence before it ran.", _MODEL, _SECONDS)
        self.request_seconds = histogram(
            "request_seconds", "Arrival to answer of a request.", _MODEL, _SECONDS
        )
        self.batch_rows = histogram("batch_rows", "Sequences that ran together.", _DEVICE, _ROWS)
        self.tick_steps = histogram(
            "tick_steps", "Steps in one turn of the carousel: its longest row's.", _DEVICE, _STEPS
        )
        self.sequence_steps = histogram("sequence_steps", "Length of a sequence.", _MODEL, _STEPS)
        self.rejected = counter("rejected_total", "Requests not answered, by reason.", ("reason",))
        # Names come from the file of keys: as many as the operator writes down.
        self.admitted = counter("admitted_total", "Requests let in, by the name of the key.", ("key",))
        self.waiting = gauge("waiting_sequences", "Sequences in the queue.", _MODEL)
        self.sessions_active = gauge("sessions_active", "Sessions that are open.", _MODEL)
        self.session_state_bytes = gauge(
            "session_state_bytes",
            "Recurrent state of open sessions; their last answers.",
            (*_MODEL, "tier"),
        )
        self.state_bytes = gauge(
            "state_bytes",
            "Recurrent state at rest: on the device, on the host, and the inputs kept to make it again.",
            (*_MODEL, "tier"),
        )
        self.state_moves = counter(
            "state_moves_total",
            "States on a device that were uploaded, checkpointed, spilled to the host or replayed.",
            (*_MODEL, "kind"),
        )
        self.session_age_seconds = histogram(
            "session_age_seconds", "Opening to end of a session.", _MODEL, _LONG_SECONDS
        )
        self.session_steps = histogram(
            "session_steps", "Time steps of a session's rows in all, at its end.", _MODEL, _STEPS
        )
        self.session_idle_seconds = histogram(
            "session_idle_seconds", "A session's answer to its next step.", _MODEL, _LONG_SECONDS
        )
        self.sessions_opened = counter("sessions_opened_total", "Sessions opened.", _MODEL)
        self.sessions_restored = counter(
            "sessions_restored_total",
            "Sessions that went on from a snapshot: a client's, the store's, or another version's.",
            (*_MODEL, "source"),
        )
        self.session_store_failures = counter(
            "session_store_failures_total", "Sessions that the store did not take or give.", ("operation",)
        )
        self.session_save_seconds = histogram(
            "session_save_seconds", "Time the store took for a session.", (), _SECONDS
        )
        self.sessions_unsaved = gauge(
            "sessions_unsaved", "Sessions with steps that the store does not have.", ()
        )
        self.streams = StreamMetrics(
            gauge("streams_open", "WebSockets that are open.", ()),
            counter(
                "stream_messages_total", "Messages of WebSockets, by direction: in, out.", ("direction",)
            ),
            counter(
                "streams_closed_total", "WebSockets closed, by close code and reason.", ("code", "reason")
            ),
        )
        self.sessions_closed = counter("sessions_closed_total", "Sessions ended.", (*_MODEL, "reason"))
        self.failovers = counter(
            "failovers_total",
            "Batches that one engine failed and another answered.",
            (*_MODEL, "from_device", "to_device", "reason"),
        )
        self.engine_state = gauge(
            "engine_state", "1 for the state an engine is in.", (*_MODEL, "engine", "state")
        )
        self.shadow_error = histogram(
            "shadow_error", "Largest difference between two devices' answers.", _MODEL, _ERRORS
        )
        self.shadow_mismatches = counter(
            "shadow_mismatches_total", "Sequences that two devices answered differently.", _MODEL
        )
        self.shadow_failures = counter("shadow_failures_total", "Shadow runs without an answer.", _MODEL)
        self.speedup = gauge("speedup_ratio", "CPU seconds per GPU second, over the same batches.", _MODEL)
        self.model_loads = counter(
            "model_loads_total", "Attempts to load a version, by result.", ("model", "result")
        )
        self.model_load_seconds = gauge("model_load_seconds", "From files to proved and warm.", _MODEL)
        self.is_ready = Gauge("carousel_ready", "1 from loaded to draining.", registry=registry)

        self._in_use: Tally[tuple[str, str]] = Tally()

    def for_model(self, name: str, version: str) -> ModelMetrics:
        """The version's instruments; what comes after another of its name and number counts on."""
        self._in_use[name, version] += 1
        return ModelMetrics(self, name, version)

    def release(self, name: str, version: str) -> None:
        """A version has ended; its series end with the last of its name and number."""
        self._in_use[name, version] -= 1
        if self._in_use[name, version] <= 0:
            del self._in_use[name, version]
            for instrument in self._by_version:
                instrument.remove_by_labels({"model": name, "version": version})

    def forget(self, name: str) -> None:
        """A model is gone from the disk, and nobody will load it."""
        self.model_loads.remove_by_labels({"model": name})


class ModelMetrics:
    """One model version's instruments, looked up once instead of at every batch."""

    def __init__(self, metrics: Metrics, name: str, version: str) -> None:
        self._metrics = metrics
        self._labels = (name, version)
        self._devices: dict[str, DeviceMetrics] = {}
        self.engines = EngineMetrics(metrics, name, version)
        self.shadow = ShadowMetrics(metrics, name, version)
        self.sessions = SessionMetrics(metrics, name, version)
        self.states = StateMetrics(metrics, name, version)
        self.statistics = Statistics()
        self._queue_seconds = metrics.queue_seconds.labels(*self._labels)
        self._sequence_steps = metrics.sequence_steps.labels(*self._labels)
        self.request_seconds = metrics.request_seconds.labels(*self._labels)
        self.waiting = metrics.waiting.labels(*self._labels)

    def release(self) -> None:
        self._metrics.release(*self._labels)

    def batch_ran(self, device: str, compute_s: float, row_steps: int, steps: list[int]) -> None:
        """Count a batch whose rows have so many steps each, and ran `row_steps` together, with padding."""
        on_device = self._on(device)
        valid = sum(steps)
        on_device.steps.inc(valid)
        on_device.padded_steps.inc(row_steps - valid)
        on_device.compute_seconds.observe(compute_s)
        on_device.batch_rows.observe(len(steps))

    def tick_ran(self, device: str, padded_steps: int) -> None:
        """Count a turn of the carousel, whose longest row ran so many steps."""
        self._on(device).tick_steps.observe(padded_steps)

    def sequences_ended(self, device: str, steps: list[int], waits_s: list[float]) -> None:
        """Count sequences of these lengths and waits, whose last step this device ran."""
        self._on(device).sequences.inc(len(steps))
        for length, wait_s in zip(steps, waits_s, strict=True):
            self._sequence_steps.observe(length)
            self._queue_seconds.observe(wait_s)

    def _on(self, device: str) -> DeviceMetrics:
        if device not in self._devices:
            self._devices[device] = DeviceMetrics(self._metrics, (*self._labels, device))
        return self._devices[device]


class EngineState(StrEnum):
    """What an engine of a model version is doing."""

    BUILDING = "building"
    LOADING = "loading"
    IN_USE = "in_use"
    OUT_OF_USE = "out_of_use"
    REFUSED = "refused"


class EngineMetrics:
    """One model version's engines: which state each is in, and what one had to take over from another."""

    def __init__(self, metrics: Metrics, name: str, version: str) -> None:
        self._metrics = metrics
        self._labels = (name, version)

    def is_now(self, engine: str, state: EngineState) -> None:
        for one in EngineState:
            self._metrics.engine_state.labels(*self._labels, engine, one.value).set(one is state)

    def failed_over(self, from_device: str, to_device: str, reason: str) -> None:
        self._metrics.failovers.labels(*self._labels, from_device, to_device, reason).inc()


class ShadowMetrics:
    """One model version's batches that ran on two devices."""

    def __init__(self, metrics: Metrics, name: str, version: str) -> None:
        self.error = metrics.shadow_error.labels(name, version)
        self.mismatches = metrics.shadow_mismatches.labels(name, version)
        self.failures = metrics.shadow_failures.labels(name, version)
        self._speedup, self._labels = metrics.speedup, (name, version)
        self._seconds: dict[str, float] = {}

    def timed(self, live: str, live_s: float, shadow: str, shadow_s: float) -> None:
        """Count a batch's seconds on both devices; the ratio is that of all such batches."""
        for device, seconds in ((live, live_s), (shadow, shadow_s)):
            self._seconds[device] = self._seconds.get(device, 0.0) + seconds
        if self._seconds.get("gpu"):
            ratio = self._seconds.get("cpu", 0.0) / self._seconds["gpu"]
            # Only now is there a series: a ratio of nothing would be a zero that means nothing.
            self._speedup.labels(*self._labels).set(ratio)


class SessionMetrics:
    """One model version's sessions."""

    def __init__(self, metrics: Metrics, name: str, version: str) -> None:
        self._opened = metrics.sessions_opened.labels(name, version)
        self._restored = metrics.sessions_restored
        self._closed, self._labels = metrics.sessions_closed, (name, version)
        self._active = metrics.sessions_active.labels(name, version)
        # Where the states lie.
        self._bytes = metrics.session_state_bytes.labels(name, version, "host")
        self._answer_bytes = metrics.session_state_bytes.labels(name, version, "answers")
        self._age_seconds = metrics.session_age_seconds.labels(name, version)
        self._steps = metrics.session_steps.labels(name, version)
        self.idle_seconds = metrics.session_idle_seconds.labels(name, version)

    def opened(self, active: int, state_bytes: int) -> None:
        self._opened.inc()
        self._now(active, state_bytes)

    def restored(self, source: str, active: int, state_bytes: int) -> None:
        self._restored.labels(*self._labels, source).inc()
        self._now(active, state_bytes)

    def closed(self, reason: str, active: int, state_bytes: int) -> None:
        self._closed.labels(*self._labels, reason).inc()
        self._now(active, state_bytes)

    def kept(self, answer_bytes: int) -> None:
        """So much do all last answers take now."""
        self._answer_bytes.set(answer_bytes)

    def lasted(self, age_s: float, steps: int) -> None:
        """Count a session that has ended and goes on nowhere."""
        self._age_seconds.observe(age_s)
        self._steps.observe(steps)

    def _now(self, active: int, state_bytes: int) -> None:
        self._active.set(active)
        self._bytes.set(state_bytes)


class StateMetrics:
    """Where one model version's states are."""

    def __init__(self, metrics: Metrics, name: str, version: str) -> None:
        self._metrics = metrics
        self._labels = (name, version)

    def show(self, bytes_in: Callable[[str], int]) -> None:
        """From now on each tier's bytes are what this says, asked when somebody looks."""
        for tier in ("device", "host", "inputs"):
            self._metrics.state_bytes.labels(*self._labels, tier).set_function(partial(bytes_in, tier))

    def moved(self, kind: str, count: int) -> None:
        if count:
            self._metrics.state_moves.labels(*self._labels, kind).inc(count)


class SaveMetrics:
    """What the store of sessions takes, and what it does not."""

    def __init__(self, metrics: Metrics) -> None:
        self._failures = metrics.session_store_failures
        self._seconds = metrics.session_save_seconds.labels()
        self._unsaved = metrics.sessions_unsaved

    def saved(self, seconds: float) -> None:
        self._seconds.observe(seconds)

    def unsaved(self, count: int) -> None:
        self._unsaved.set(count)

    def failed(self, operation: str, count: int = 1) -> None:
        self._failures.labels(operation).inc(count)


class StreamMetrics:
    """The WebSockets of one server."""

    def __init__(self, is_open: Gauge, messages: Counter, closed: Counter) -> None:
        self.is_open = is_open
        self.messages_in, self.messages_out = messages.labels("in"), messages.labels("out")
        self._closed = closed

    def closed(self, code: int, reason: str) -> None:
        """`reason` is one of ours; a client's own code may be any, and is `other` where it is unusual."""
        self.is_open.dec()
        is_known = code in _CLOSE_CODES or reason != CLIENT
        self._closed.labels(str(code) if is_known else "other", reason).inc()


class DeviceMetrics:
    """One model version's instruments on one device."""

    def __init__(self, metrics: Metrics, labels: tuple[str, ...]) -> None:
        self.sequences = metrics.sequences.labels(*labels)
        self.steps = metrics.steps.labels(*labels)
        self.padded_steps = metrics.padded_steps.labels(*labels)
        self.compute_seconds = metrics.compute_seconds.labels(*labels)
        self.batch_rows = metrics.batch_rows.labels(*labels)
        self.tick_steps = metrics.tick_steps.labels(*labels)
