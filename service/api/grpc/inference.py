"""One inference: a ModelInferRequest in, a ModelInferResponse out."""

from __future__ import annotations

from typing import Any

from service.api.grpc.messages import Message, ModelInferResponse
from service.api.grpc.tensors import add_output, input_arrays
from service.api.open_inference.outputs import check_output_names, output_names, output_tensors
from service.api.open_inference.parameters import answer_parameters, checked_id, request_terms
from service.api.open_inference.sequences import sequences_from
from service.domain.inference import InferRequest, InferResult
from service.domain.signature import Signature
from service.domain.tracing import RequestTrace
from service.errors import InvalidRequest
from service.predictor import Predictor

_NOT_OFFERED = ("classification", "shared_memory_region")
_FIELDS = {bool: "bool_param", int: "int64_param", str: "string_param"}


class Inference:
    """Asks the predictor what a message asks."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    async def answer(
        self, message: Message, remaining_s: float | None, trace: RequestTrace | None = None
    ) -> Message:
        """The response within `remaining_s` and the message's own timeout; raises CarouselError."""
        version = message.model_version or None
        model = self._predictor.registry.find(message.model_name, version)
        signature = model.signature
        if not message.parameters:
            model.scheduler.check_room()
        wanted = _wanted(message, signature)
        identity = checked_id(message.id)
        terms = request_terms(plain_parameters(message))
        timeout_s = _sooner(remaining_s, terms.timeout_s)
        sequences = sequences_from(input_arrays(message, signature), signature)
        # gRPC keeps the message's bytes until it is answered, and the sequences look into copies of them.
        held_bytes = 2 * message.ByteSize()
        request = InferRequest(
            message.model_name,
            sequences,
            version,
            timeout_s,
            None,
            terms.priority,
            held_bytes,
            trace,
            terms.stream,
        )
        result = await self._predictor.infer(request)
        return _response(identity, result, signature, wanted)


def plain_parameters(message: Message) -> dict[str, Any]:
    """A message's parameters as plain values; one without a value is None."""
    return {
        name: getattr(value, value.WhichOneof("parameter_choice") or "", None)
        for name, value in message.parameters.items()
    }


def _wanted(message: Message, signature: Signature) -> set[str]:
    check_output_names((output.name for output in message.outputs), signature)
    for output in message.outputs:
        for name in _NOT_OFFERED:
            if name in output.parameters:
                raise InvalidRequest(f"outputs.{output.name}.parameters.{name}: is not offered, leave it out")
    return {output.name for output in message.outputs} or set(output_names(signature))


def _sooner(one_s: float | None, other_s: float | None) -> float | None:
    return min((limit for limit in (one_s, other_s) if limit is not None), default=None)


def _response(identity: str, result: InferResult, signature: Signature, wanted: set[str]) -> Message:
    response = ModelInferResponse(model_name=result.model, model_version=result.version, id=identity)
    for name, value in answer_parameters(result).items():
        setattr(response.parameters[name], _FIELDS[type(value)], value)
    for tensor in output_tensors(result.outputs, signature, wanted):
        add_output(response, tensor)
    return response
