"""Memory that knows its bounds and its life: a device's, or the host's that is pinned."""

from __future__ import annotations

from itertools import count

import numpy as np

from service.domain.tensors import Array

_APART = 1 << 30


class FakeMemory:
    """Allocations by their first address, full of ones when fresh."""

    def __init__(self) -> None:
        self._addresses = count(1 << 40, _APART)
        self._blocks: dict[int, Array] = {}

    def __len__(self) -> int:
        return len(self._blocks)

    @property
    def used(self) -> int:
        return sum(map(len, self._blocks.values()))

    def allocate(self, size: int) -> int:
        """Device memory, at an address far from any other."""
        assert size > 0, "an empty allocation"
        address = next(self._addresses)
        self._blocks[address] = np.full(size, 0xFF, np.uint8)
        return address

    def pin(self, size: int) -> Array:
        """Host memory, at its own address."""
        assert size > 0, "an empty allocation"
        block = np.full(size, 0xFF, np.uint8)
        self._blocks[block.ctypes.data] = block
        return block

    def free(self, address: int) -> None:
        self._blocks.pop(address)[:] = 0xFF

    def block(self, address: int) -> int:
        """Where the allocation begins that holds this address."""
        for base, block in self._blocks.items():
            if base <= address < base + len(block):
                return base
        raise AssertionError(f"memory that is not allocated, or no longer: {address:#x}")

    def view(self, address: int, size: int) -> Array:
        """`size` living bytes."""
        base = self.block(address)
        assert address - base + size <= len(self._blocks[base]), "an access past the end of an allocation"
        return self._blocks[base][address - base : address - base + size]
