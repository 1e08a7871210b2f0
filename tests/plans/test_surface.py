"""Every name that our code uses of TensorRT exists in 10, in 11 and in RTX, whose bindings are recorded."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from record_tensorrt_surface import RECORDING

SERVICE = Path(__file__).parents[2] / "service"
SURFACES = json.loads(RECORDING.read_text())
FULL = [surface for name, surface in SURFACES.items() if not name.startswith("tensorrt-rtx")]

# What our variables and calls stand for; everything is named alike in all files.
KINDS = {
    "builder": ("Builder",),
    "network": ("INetworkDefinition",),
    "config": ("IBuilderConfig", "IRuntimeConfig"),
    "optimization_profile": ("IOptimizationProfile",),
    "parser": ("OnnxParser",),
    "error": ("ParserError",),
    "tensor": ("ITensor",),
    "get_input": ("ITensor",),
    "get_output": ("ITensor",),
    "runtime": ("Runtime",),
    "engine": ("ICudaEngine",),
    "context": ("IExecutionContext",),
}
FILES = [
    SERVICE / "plans" / f"{name}.py" for name in ("builder", "flavour", "network", "progress", "tensorrt_log")
] + [SERVICE / "backends" / "tensorrt_runtime.py"]

# Used behind `is_rtx` or for `targets`, which only RTX has.
ONLY_IN_RTX = {
    "ComputeCapability",
    "IBuilderConfig|IRuntimeConfig.num_compute_capabilities",
    "IBuilderConfig|IRuntimeConfig.set_compute_capability",
    "CudaGraphStrategy",
    "CudaGraphStrategy.DISABLED",
    "DynamicShapesKernelSpecializationStrategy",
    "DynamicShapesKernelSpecializationStrategy.EAGER",
    "DynamicShapesKernelSpecializationStrategy.LAZY",
    "EngineInvalidityDiagnostics",
    "EngineValidity",
    "EngineValidity.INVALID",
    "BuilderFlag.REQUIRE_USER_ALLOCATION",
    "IBuilderConfig|IRuntimeConfig.create_runtime_cache",
    "IBuilderConfig|IRuntimeConfig.cuda_graph_strategy",
    "IBuilderConfig|IRuntimeConfig.dynamic_shapes_kernel_specialization_strategy",
    "IBuilderConfig|IRuntimeConfig.set_runtime_cache",
    "Runtime.engine_header_size",
    "Runtime.get_engine_validity",
}


def base_of(node: ast.expr) -> str:
    """What an attribute is taken of, by its last name: `engine` of `self._engine`, `get_input` of a call."""
    if isinstance(node, ast.Call):
        node = node.func
    return {ast.Name: lambda: node.id, ast.Attribute: lambda: node.attr}.get(type(node), str)().lstrip("_")


def aliases(tree: ast.AST) -> dict[str, str]:
    """Local names for a TensorRT type: `kernels = self.trt.SomeStrategy`."""
    return {
        node.targets[0].id: node.value.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Attribute)
        and base_of(node.value.value) == "trt"
    }


def names_used(source: str) -> set[str]:
    """`Kind`, `Kind.member`, or `Kind|Kind.member` where a variable may be either."""
    tree = ast.parse(source)
    local = aliases(tree)
    used = set()
    for node in (node for node in ast.walk(tree) if isinstance(node, ast.Attribute)):
        base = base_of(node.value)
        if node.attr.startswith("__"):
            continue
        if base == "trt":
            used.add(node.attr)
        elif base in KINDS:
            used.add(f"{'|'.join(KINDS[base])}.{node.attr}")
        elif base in local:
            used.add(f"{local[base]}.{node.attr}")
        elif isinstance(node.value, ast.Attribute) and base_of(node.value.value) == "trt":
            used.add(f"{node.value.attr}.{node.attr}")
    return used


def is_in(surface, name: str) -> bool:
    kinds, _, member = name.partition(".")
    return any(kind in surface and (not member or member in surface[kind]) for kind in kinds.split("|"))


def all_used() -> set[str]:
    return set().union(*(names_used(path.read_text()) for path in FILES))


def test_the_walk_sees_types_members_methods_and_what_calls_return():
    source = """
def f(self, trt, network):
    kinds = self.trt.BuilderFlag
    kinds.TF32
    network.get_input(0).dtype
    self._engine.get_tensor_name(0)
    flavour.trt.MemoryPoolType.WORKSPACE
    trt.__version__
"""
    assert names_used(source) == {
        "BuilderFlag",
        "BuilderFlag.TF32",
        "INetworkDefinition.get_input",
        "ITensor.dtype",
        "ICudaEngine.get_tensor_name",
        "MemoryPoolType",
        "MemoryPoolType.WORKSPACE",
    }


def test_three_flavours_are_recorded():
    assert [name.rpartition(".")[0] for name in SURFACES] == [
        "tensorrt-rtx 1.7.1",
        "tensorrt 10.16.1",
        "tensorrt 11.4.0",
    ]


@pytest.mark.parametrize(
    "name", ["BuilderFlag.FP16", "ICudaEngine.device_memory_size", "Runtime.engine_header_size"]
)
def test_the_recordings_differ_where_the_flavours_do(name):
    assert len({is_in(surface, name) for surface in SURFACES.values()}) == 2


def test_every_name_our_code_uses_exists_in_rtx():
    assert [name for name in sorted(all_used()) if not is_in(SURFACES[next(iter(SURFACES))], name)] == []


def test_every_name_our_code_uses_exists_in_full_tensorrt_but_for_what_only_rtx_needs():
    assert {name for name in all_used() if not all(is_in(surface, name) for surface in FULL)} == ONLY_IN_RTX


def test_no_other_file_touches_tensorrt():
    touching = {path for path in SERVICE.rglob("*.py") if ".trt" in path.read_text()}
    assert touching <= set(FILES)


def test_the_recording_of_rtx_is_what_is_installed(flavour):
    recorded = SURFACES.get(f"{flavour.name} {flavour.version}")
    if recorded is None:
        pytest.skip(f"{flavour.version} is not recorded: python tests/record_tensorrt_surface.py")
    for kind, members in recorded.items():
        assert set(members) <= set(dir(getattr(flavour.trt, kind)))
