"""Memory that knows its bounds and its life: a device's, or the host's that is pinned."""

from __future__ import annotations

from itertools import count

import numpy as np
from fake_rules import Rules

from service.domain.tensors import Array

_APART = 1 << 30
# A NaN as float32, and as int32 no length, no place in any table, and no row that is to be left alone.
_POISON = np.array([0xFF, 0xFF, 0xFF, 0x7F], np.uint8).view(np.uint32)[0]


class FakeMemory:
    """Allocations by their first address, poisoned when fresh and when freed."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._addresses = count(1 << 40, _APART)
        self._blocks: dict[int, Array] = {}
        # Kept, so that no other array is at the address of one that is freed.
        self._freed: list[Array] = []

    def __len__(self) -> int:
        return len(self._blocks)

    @property
    def used(self) -> int:
        return sum(map(len, self._blocks.values()))

    def sizes(self) -> list[int]:
        return [len(block) for block in self._blocks.values()]

    def allocate(self, size: int) -> int:
        """Device memory, at an address far from any other."""
        self._rules.must(size > 0, "an empty allocation")
        address = next(self._addresses)
        self._blocks[address] = _poison(size)
        return address

    def pin(self, size: int) -> Array:
        """Host memory, at its own address."""
        self._rules.must(size > 0, "an empty allocation")
        block = _poison(size)
        self._blocks[block.ctypes.data] = block
        return block

    def free(self, address: int) -> None:
        self._rules.must(address in self._blocks, f"what was never allocated is freed: {address:#x}")
        self.poison(address, len(self._blocks[address]))
        self._freed.append(self._blocks.pop(address))

    def block(self, address: int) -> int:
        """Where the allocation begins that holds this address."""
        for base, block in self._blocks.items():
            if base <= address < base + len(block):
                return base
        self._rules.must(False, f"memory that is not allocated, or no longer: {address:#x}")
        raise AssertionError

    def view(self, address: int, size: int) -> Array:
        """`size` living bytes."""
        base = self.block(address)
        is_within = address - base + size <= len(self._blocks[base])
        self._rules.must(is_within, "an access past the end of an allocation")
        return self._blocks[base][address - base : address - base + size]

    def poison(self, address: int, size: int) -> None:
        self.view(address, size)[:] = _poison(size)


def _poison(size: int) -> Array:
    return np.full(-(-size // 4), _POISON).view(np.uint8)[:size]
