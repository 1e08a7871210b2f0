"""TensorRT-RTX where it is installed: networks and plans without a GPU."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from service.plans.driver import NoGpu
from service.plans.flavour import load_flavour
from service.plans.network import write_network


@cache
def tensorrt() -> Any:
    """The module; the test is skipped, with the reason, where it is not installed."""
    return pytest.importorskip(
        "tensorrt_rtx_bindings", reason="TensorRT-RTX is not installed: pip install '.[gpu-rtx]'"
    )


@cache
def logger() -> Any:
    """The one that the service registers: TensorRT keeps the first logger of a process for good."""
    tensorrt()
    return load_flavour(NoGpu("these tests need none")).logger


@cache
def builder() -> Any:
    return tensorrt().Builder(logger())


def network_of(graph: bytes) -> Any:
    """The network that the parser makes of a graph."""
    network = builder().create_network(0)
    write_network(tensorrt(), network, logger(), graph)
    return network


def plan_of(graph: bytes, steps: tuple[int, int, int], rows: tuple[int, int, int] = (1, 4, 16)) -> bytes:
    """A plan for one profile, each range as least, usual, most; AssertionError where TensorRT refuses."""
    network, config = network_of(graph), builder().create_builder_config()
    profile = builder().create_optimization_profile()
    for tensor in (network.get_input(index) for index in range(network.num_inputs)):
        ranges = {"time": steps, "batch": rows}
        names = [tensor.get_dimension_name(axis) for axis in range(len(tensor.shape))]
        extents = [ranges.get(name, (size,) * 3) for name, size in zip(names, tensor.shape, strict=True)]
        profile.set_shape(tensor.name, *zip(*extents, strict=True))
    config.add_optimization_profile(profile)
    plan = builder().build_serialized_network(network, config)
    assert plan is not None
    return bytes(plan)
