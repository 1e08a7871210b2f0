"""What `carousel bench` was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from service.plans.plan import Precision


@dataclass(frozen=True, slots=True)
class Options:
    """The command's options, read."""

    names: tuple[str, ...]
    hidden: tuple[int, ...]
    layers: tuple[int, ...]
    features: int
    lengths: tuple[int, ...]
    most_rows: int
    precisions: tuple[Precision, ...]
    seconds: float
    repeats: int
    models_dir: Path
    output: Path | None

    def told(self) -> dict[str, str]:
        """For the report, without this machine's paths."""
        return {
            "features of untrained models": str(self.features),
            "most rows": str(self.most_rows),
            "most seconds for a setting on a batch": f"{self.seconds:g}",
            "repeats": str(self.repeats),
        }


def numbers(option: str, text: str) -> tuple[int, ...]:
    """Whole numbers of 1 or more between commas; raises ValueError naming the option."""
    words = text.replace(" ", "").split(",") if text.strip() else []
    odd = next((word for word in words if not word.isdecimal() or int(word) < 1), None)
    if odd is not None:
        raise ValueError(f"{option}: expected whole numbers of 1 or more as 128,256, got {odd!r}")
    return tuple(sorted({int(word) for word in words}))


def precisions(text: str) -> tuple[Precision, ...]:
    """Precisions between commas; raises ValueError."""
    words = text.replace(" ", "").split(",")
    odd = next((word for word in words if word not in set(Precision)), None)
    if odd is not None:
        raise ValueError(f"--precision: expected any of {', '.join(Precision)} as fp32,fp16, got {odd!r}")
    return tuple(dict.fromkeys(map(Precision, words)))
