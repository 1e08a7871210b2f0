"""Plans on this machine's disk, found by everything that decides whether they are valid.

A plan is written as `<identity>.<content>.plan`, and after it `<identity>.json`, its record. Both appear
whole, in one rename; since the plan's name holds its own digest, writers of one identity cannot mix.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from service.errors import NotServable
from service.plans.atomic_files import read_regular, remove, write_atomically
from service.plans.plan import PlanIdentity, PlanRecord
from service.plans.pruning import prune, remove_superseded

_LARGEST_RECORD = 1 << 20


class PlanNotStored(NotServable):
    """The cache's folder takes no plan: full, read-only or not a folder."""

    reason = "plan_not_stored"


@dataclass(frozen=True, slots=True)
class CachedPlan:
    """A plan whose bytes are those that were built."""

    plan: bytes
    record: PlanRecord


@dataclass(frozen=True, slots=True)
class NoPlan:
    """There is none to use, and why; `is_spoilt` where there is one that must not be."""

    reason: str
    is_spoilt: bool = False


@dataclass(frozen=True, slots=True)
class PlanCache:
    """A folder of plans. Any number of processes may read, write and prune it at the same time."""

    folder: Path

    def find(self, identity: PlanIdentity) -> CachedPlan | NoPlan:
        """The plan of this identity, proved to be whole before TensorRT sees it, and marked as used."""
        found = self.verify(identity)
        if isinstance(found, CachedPlan):
            _mark_as_used(self._record_path(identity))
        return found

    def verify(self, identity: PlanIdentity) -> CachedPlan | NoPlan:
        """The same without the mark. Whatever is wrong is returned, nothing is raised."""
        path = self._record_path(identity)
        record = _read_record(path)
        if isinstance(record, NoPlan):
            return record
        if record.identity != identity:
            differences = ", ".join(identity.differences(record.identity))
            return NoPlan(f"{path.name}: not what was asked for: {differences}", is_spoilt=True)
        plan = _read_plan(self._plan_path(record), record)
        if isinstance(plan, NoPlan):
            return plan
        return CachedPlan(plan, record)

    def store(self, plan: bytes, record: PlanRecord) -> None:
        """Write a plan, its record last; raises PlanNotStored, and then nothing of it is left."""
        path = self._plan_path(record)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, plan)
            write_atomically(self._record_path(record.identity), record.model_dump_json(indent=1).encode())
        except OSError as failure:
            remove(path)
            raise PlanNotStored(
                f"{self.folder}: {failure.strerror or failure}; the plan needs {len(plan):,} bytes"
            ) from failure
        remove_superseded(path)

    def prune(self, most_bytes: int) -> int:
        """Remove the plans used least recently until the folder holds no more; the number removed."""
        return prune(self.folder, most_bytes)

    def records(self) -> Iterator[tuple[Path, PlanRecord | NoPlan]]:
        """Every record file by name, with what it says or why it cannot be read."""
        if self.folder.is_dir():
            for path in sorted(self.folder.glob("*.json")):
                yield path, _read_record(path)

    def _record_path(self, identity: PlanIdentity) -> Path:
        return self.folder / f"{identity.digest}.json"

    def _plan_path(self, record: PlanRecord) -> Path:
        return self.folder / f"{record.identity.digest}.{record.plan_sha256[:16]}.plan"


def _read_record(path: Path) -> PlanRecord | NoPlan:
    try:
        return PlanRecord.model_validate_json(read_regular(path, _LARGEST_RECORD))
    except FileNotFoundError:
        return NoPlan("none was built with these settings")
    except OSError as failure:
        return NoPlan(f"{path.name}: {failure.strerror or failure}", is_spoilt=True)
    except ValidationError as failure:
        first = failure.errors()[0]
        field = ".".join(map(str, first["loc"])) or "record"
        return NoPlan(f"{path.name}: {field}: {first['msg']}", is_spoilt=True)


def _read_plan(path: Path, record: PlanRecord) -> bytes | NoPlan:
    try:
        plan = read_regular(path, record.plan_bytes)
    except OSError as failure:
        return NoPlan(f"{path.name}: {failure.strerror or failure}", is_spoilt=True)
    if len(plan) != record.plan_bytes:
        return NoPlan(f"{path.name}: {len(plan)} bytes, {record.plan_bytes} were built", is_spoilt=True)
    if hashlib.sha256(plan).hexdigest() != record.plan_sha256:
        return NoPlan(f"{path.name}: its SHA-256 is not that of the plan that was built", is_spoilt=True)
    return plan


def _mark_as_used(path: Path) -> None:
    try:
        os.utime(path)
    except OSError:
        # A folder that is only read from is never pruned by us either.
        return
