"""Which words a bundle's answers are given in."""

from __future__ import annotations

from service.domain.answers import (
    Classification,
    Forecast,
    Labelling,
    NextSymbol,
    Transcription,
    Wording,
    tensor_answer,
)
from service.repository.manifest import Manifest, Task


def wording_of(manifest: Manifest) -> Wording:
    """The wording for the manifest's task."""
    output = manifest.output
    labels = output.labels or ()
    match manifest.task:
        case Task.CLASSIFICATION:
            return Classification(labels)
        case Task.LABELLING:
            return Labelling(labels)
        case Task.TRANSCRIPTION:
            return Transcription(labels, output.blank or 0)
        case Task.NEXT_SYMBOL:
            return NextSymbol(labels)
        case Task.FORECAST:
            return Forecast(output.unit or "")
        case Task.TENSOR:
            return tensor_answer
