"""Input tensors of a REST request, each in JSON or in the bytes behind it, to sequences."""

from __future__ import annotations

from typing import Any

from service.api.open_inference.body import Body
from service.api.open_inference.sequences import check_input_names, sequences_from
from service.api.open_inference.tensors import (
    array_from_bytes,
    checked_datatype,
    checked_shape,
    size_in_bytes,
)
from service.api.open_inference.tensors_json import array_from_json
from service.domain.signature import SEQUENCE, Signature
from service.domain.tensors import Array
from service.errors import InvalidRequest

_NO_BYTES = Body(b"", b"", 0)


class InputReader:
    """Reads tensors in the order of the request, which is also that of the bytes."""

    def __init__(self, signature: Signature, body: Body | None) -> None:
        self._signature = signature
        self._whole = (body or _NO_BYTES).whole
        self._offset = (body or _NO_BYTES).offset

    def sequences(self, inputs: Any) -> list[Array]:
        """The request's rows; raises InvalidRequest naming the tensor and what is wrong with it."""
        if not isinstance(inputs, list) or not all(isinstance(tensor, dict) for tensor in inputs):
            raise InvalidRequest("inputs: expected a list of tensors")
        check_input_names([tensor.get("name") for tensor in inputs])
        arrays = {tensor["name"]: self._array(tensor) for tensor in inputs}
        if self._offset != len(self._whole):
            raise InvalidRequest(
                f"body: {len(self._whole) - self._offset} bytes more than its binary tensors take"
            )
        return sequences_from(arrays, self._signature)

    def _array(self, tensor: dict[str, Any]) -> Array:
        name = tensor["name"]
        datatype = checked_datatype(name, tensor.get("datatype"), self._signature)
        shape = checked_shape(name, tensor.get("shape"))
        parameters = tensor.get("parameters")
        if parameters is None:
            return array_from_json(name, datatype, shape, tensor.get("data"))
        size = _binary_size(name, parameters)
        if size is None:
            return array_from_json(name, datatype, shape, tensor.get("data"))
        if "data" in tensor:
            raise InvalidRequest(f"{name}: has data and binary_data_size, expected one of them")
        return self._binary_array(name, datatype, shape, size)

    def _binary_array(self, name: str, datatype: str, shape: tuple[int, ...], size: int) -> Array:
        due = size_in_bytes(datatype, shape)
        if size != due:
            raise InvalidRequest(
                f"{name}.parameters.binary_data_size: {size} bytes, "
                f"{datatype} of shape {list(shape)} takes {due}"
            )
        array = array_from_bytes(name, datatype, shape, self._whole, self._offset)
        self._offset += size
        return array


def raw_sequences(body: Body, signature: Signature) -> list[Array]:
    """A body without JSON: one sequence's steps in the model's own datatype, as many as there are."""
    steps, rest = divmod(len(body.whole), signature.step_bytes)
    if rest or not steps:
        raise InvalidRequest(
            f"{SEQUENCE}: {len(body.whole)} bytes of raw body, expected a multiple of "
            f"{signature.step_bytes}, the size of one step"
        )
    shape = (1, steps, *signature.step_shape)
    return list(array_from_bytes(SEQUENCE, signature.step_datatype.value, shape, body.whole))


def _binary_size(name: str, parameters: Any) -> int | None:
    if not isinstance(parameters, dict):
        raise InvalidRequest(f"{name}.parameters: expected an object")
    if "shared_memory_region" in parameters:
        raise InvalidRequest(
            f"{name}.parameters.shared_memory_region: is not offered, send data or binary_data_size"
        )
    size = parameters.get("binary_data_size")
    if size is not None and (type(size) is not int or size < 0):
        raise InvalidRequest(f"{name}.parameters.binary_data_size: expected a number of bytes")
    return size
