"""What is known of a bundle before it is trained or imported."""

from __future__ import annotations

from dataclasses import dataclass

from service.repository.feedback import Feedback
from service.repository.manifest import Dataset, Kind, Output, Step, Task


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The part of the manifest that a recipe knows beforehand."""

    kind: Kind
    task: Task
    description: str
    step: Step
    output: Output
    feedback: Feedback | None = None
    dataset: Dataset | None = None
    remarks: tuple[str, ...] = ()
