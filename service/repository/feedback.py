"""The part of a manifest that says how a forecast becomes the next step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.domain.feedback import FeedbackLoop
from service.domain.signature import Signature
from service.domain.tensors import Shape

_Position = Annotated[int, Field(ge=0, lt=1 << 20)]
_Positions = Annotated[tuple[_Position, ...], Field(min_length=1)]


class Feedback(BaseModel):
    """Positions are along the first axis, and one of the step takes one of the output, in their order.

    What a step has at its other positions is known in advance, and the client's to say.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: _Positions = Field(description="positions of a step that take what was forecast")
    output: _Positions = Field(description="positions of the output that they take it from")

    def loop(self, signature: Signature) -> FeedbackLoop:
        return FeedbackLoop(signature, self.step, self.output)

    def check(self, signature: Signature) -> None:
        """Raises ValueError, naming the field, where the model does not have such positions."""
        if not signature.states or not signature.step_datatype.is_floating:
            raise ValueError("feedback: only for a model with states whose steps are floating-point numbers")
        step_shape, output_shape = signature.step_shape, signature.output_shape
        _check_within("step", self.step, step_shape)
        _check_within("output", self.output, output_shape)
        if len(set(self.step)) != len(self.step):
            raise ValueError("feedback.step: every position is given once")
        if len(self.step) != len(self.output):
            raise ValueError(f"feedback.output: {len(self.output)} positions, the step has {len(self.step)}")
        if step_shape[1:] != output_shape[1:]:
            raise ValueError(
                f"feedback.output: a position of the output has the shape {list(output_shape[1:])}, "
                f"one of the step {list(step_shape[1:])}"
            )


def _check_within(field: str, positions: Sequence[int], shape: Shape) -> None:
    extent = shape[0] if shape else 0
    if max(positions) >= extent:
        raise ValueError(
            f"feedback.{field}: {max(positions)} is none of the {extent} positions of the shape {list(shape)}"
        )
