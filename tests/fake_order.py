"""Whether work on several streams is in order: not whether it happened to go well, but whether it had to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fake_rules import Rules

from service.backends.cuda import Event, Stream

_Clock = dict[Stream, int]
"""Of each stream how much of its work is known to be done."""


@dataclass
class _Users:
    """Who last wrote to some memory, and who has read it since, each by its stream's place."""

    writer: tuple[Stream, int] | None = None
    readers: _Clock = field(default_factory=dict)


class Order:
    """Follows what waits for what: streams, events, and the host that waits for either.

    Two accesses to one allocation of which one writes must have something between them that keeps them in
    order.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._host: _Clock = {}
        self._streams: dict[Stream, _Clock] = {}
        self._events: dict[Event, _Clock] = {}
        self._users: dict[int, _Users] = {}

    def queued(self, stream: Stream, place: int, reads: Iterable[int], writes: Iterable[int]) -> None:
        """Work is queued on a stream, as its `place`-th, that uses these allocations."""
        known = self._streams.setdefault(stream, {})
        _merge(known, self._host)
        known[stream] = place
        writes = set(writes)
        for block in writes:
            users = self._users.get(block, _Users())
            self._must_follow(known, [*users.readers.items(), *filter(None, [users.writer])])
            self._users[block] = _Users((stream, place))
        for block in set(reads) - writes:
            users = self._users.setdefault(block, _Users())
            self._must_follow(known, [*filter(None, [users.writer])])
            users.readers[stream] = place

    def recorded(self, event: Event, stream: Stream) -> None:
        self._events[event] = dict(self._streams[stream])

    def waits(self, stream: Stream, event: Event) -> None:
        _merge(self._streams.setdefault(stream, {}), self._events[event])

    def host_waited_for(self, event: Event) -> None:
        _merge(self._host, self._events[event])

    def host_waited(self, stream: Stream) -> None:
        _merge(self._host, self._streams.get(stream, {}))

    def freed(self, block: int) -> None:
        """By the host, which must know that nobody uses it any more."""
        users = self._users.pop(block, _Users())
        self._must_follow(self._host, [*users.readers.items(), *filter(None, [users.writer])])

    def _must_follow(self, known: Mapping[Stream, int], users: Iterable[tuple[Stream, int]]) -> None:
        for stream, place in users:
            is_done = known.get(stream, 0) >= place
            self._rules.must(is_done, f"memory that stream {stream} may still be using is used")


def _merge(known: _Clock, more: Mapping[Stream, int]) -> None:
    for stream, place in more.items():
        known[stream] = max(place, known.get(stream, 0))
