"""Streams and events that run their work as late as they may, or, with a seed, at random moments."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from fake_order import Order
from fake_rules import Rules

from service.backends.cuda import CudaFailed, Event, Stream

_TICK_S = 1e-3


@dataclass(frozen=True)
class Work:
    """Something queued, and where the memory begins that it reads and writes.

    `is_current` says of captured work whether what it was captured from is still as it was.
    """

    run: Callable[[], None]
    reads: frozenset[int] = frozenset()
    writes: frozenset[int] = frozenset()
    is_current: Callable[[], bool] = lambda: True


@dataclass
class Queue:
    """A stream: its work in order, how much of it is done, and what is being captured."""

    work: list[Work] = field(default_factory=list)
    done: int = 0
    captured: list[Work] | None = None
    is_spoilt: bool = False


class FakeStreams:
    """Work in queues, and events that remember a place in one."""

    def __init__(self, rules: Rules, seed: int | None = None) -> None:
        self._rules = rules
        self.order = Order(rules)
        self._random = None if seed is None else random.Random(seed)
        self._handles = count(1)
        self.queues: dict[Stream, Queue] = {}
        self.events: dict[Event, tuple[Stream, int] | None] = {}
        self._happened_s: dict[Event, float] = {}
        self._now_s = 0.0

    def create(self) -> Stream:
        stream = Stream(next(self._handles))
        self.queues[stream] = Queue()
        return stream

    def destroy(self, stream: Stream) -> None:
        queue = self.queues.pop(stream)
        self._rules.must(queue.done == len(queue.work), "a stream was destroyed with work in it")

    def enqueue(self, stream: Stream, work: Work) -> None:
        queue = self.queues[stream]
        if queue.captured is not None:
            queue.captured.append(work)
            return
        queue.work.append(work)
        self.order.queued(stream, len(queue.work), work.reads, work.writes)
        if self._random:
            for some in self._random.choices(list(self.queues), k=self._random.randrange(4)):
                self.run_until(some, min(self.queues[some].done + 1, len(self.queues[some].work)))

    def run_until(self, stream: Stream, end: int) -> None:
        queue = self.queues[stream]
        while queue.done < end:
            work = queue.work[queue.done]
            queue.done += 1
            work.run()

    def finish(self, stream: Stream) -> None:
        """The host waits for a stream."""
        self.run_until(stream, len(self.queues[stream].work))
        self.order.host_waited(stream)

    def finish_until(self, event: Event) -> None:
        """The host waits for an event."""
        self.run_until(*self._recorded(event))
        self.order.host_waited_for(event)

    def wait(self, stream: Stream, event: Event) -> None:
        """A stream waits for an event as it was last recorded."""
        place = self._recorded(event)
        self.order.waits(stream, event)
        self.enqueue(stream, Work(lambda: self.run_until(*place)))

    def unfinished(self) -> list[Work]:
        return [work for queue in self.queues.values() for work in queue.work[queue.done :]]

    def create_event(self) -> Event:
        event = Event(next(self._handles))
        self.events[event] = None
        return event

    def record(self, event: Event, stream: Stream) -> None:
        def run() -> None:
            self._now_s += _TICK_S
            self._happened_s[event] = self._now_s

        self._happened_s.pop(event, None)
        self.events[event] = (stream, len(self.queues[stream].work) + 1)
        self.enqueue(stream, Work(run))
        self.order.recorded(event, stream)

    def elapsed_s(self, start: Event, end: Event) -> float:
        if not {start, end} <= self._happened_s.keys():
            raise CudaFailed("cudaEventElapsedTime: cudaErrorNotReady: device not ready")
        return self._happened_s[end] - self._happened_s[start]

    def _recorded(self, event: Event) -> tuple[Stream, int]:
        place = self.events[event]
        self._rules.must(place is not None, "a wait for an event that nobody recorded")
        assert place is not None
        return place
