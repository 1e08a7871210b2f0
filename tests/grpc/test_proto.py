"""The proto: what is committed is what it compiles to, and its numbers are the protocol's."""

from __future__ import annotations

import pytest
from compile_proto import COMPILED, compiled
from google.protobuf.descriptor import Descriptor
from tritonclient.grpc import model_config_pb2, service_pb2

from service.api.grpc.messages import POOL, SERVICE

OURS = POOL.FindServiceByName(SERVICE)


def test_the_committed_descriptors_are_compiled_from_the_proto():
    assert COMPILED.read_bytes() == compiled(), "run python tests/compile_proto.py"


def fields_of(message: Descriptor) -> set[tuple[str, int, int, bool]]:
    return {(field.name, field.number, field.type, field.is_repeated) for field in message.fields}


def below(message: Descriptor) -> list[Descriptor]:
    return [message, *(inner for nested in message.nested_types for inner in below(nested))]


@pytest.mark.parametrize("name", sorted(OURS.file.message_types_by_name))
def test_every_field_has_the_number_and_type_that_clients_know(name):
    theirs = [file.DESCRIPTOR.message_types_by_name.get(name) for file in (service_pb2, model_config_pb2)]
    known = {message.full_name: message for found in theirs if found for message in below(found)}
    for message in below(OURS.file.message_types_by_name[name]):
        assert fields_of(message) <= fields_of(known[message.full_name])


def test_every_value_of_an_enum_is_the_one_that_clients_know():
    theirs = model_config_pb2.DataType.DESCRIPTOR.values_by_name
    ours = OURS.file.enum_types_by_name["DataType"].values_by_name
    assert {name: value.number for name, value in ours.items()} == {
        name: value.number for name, value in theirs.items()
    }


def test_every_method_takes_and_gives_what_clients_think():
    theirs = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name
    for method in OURS.methods:
        twin = theirs[method.name]
        assert (method.input_type.full_name, method.output_type.full_name) == (
            twin.input_type.full_name,
            twin.output_type.full_name,
        )
        assert (method.client_streaming, method.server_streaming) == (
            twin.client_streaming,
            twin.server_streaming,
        )
