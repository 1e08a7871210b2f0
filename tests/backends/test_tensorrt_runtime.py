"""What is asked of TensorRT: only names that exist, and a plan that is not the bundle's is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fake_cuda import FakeCuda
from fake_gpu import Device
from fake_plans import DataType, Plan, Tensor
from fake_tensorrt import FakeEngine, FakeTensorRt
from fake_tensorrt_context import FakeContext
from tensorrt_here import tensorrt

from service.backends.protocol import PipelinedBackend
from service.backends.tensorrt_runtime import TensorRtFailed, TensorRtRuntime
from service.errors import EngineFailed
from service.plans.driver import NoGpu
from service.plans.flavour import load_flavour


def public(kind: type) -> list[str]:
    return [name for name in vars(kind) if not name.startswith("_")]


def test_the_fakes_offer_nothing_that_the_real_one_lacks():
    trt = tensorrt()
    assert [name for name in public(FakeEngine) if not hasattr(trt.ICudaEngine, name)] == []
    assert [name for name in public(FakeContext) if not hasattr(trt.IExecutionContext, name)] == []
    for kind in ("TensorIOMode", "ExecutionContextAllocationStrategy"):
        members = getattr(FakeTensorRt, kind).__members__
        assert members.keys() <= getattr(trt, kind).__members__.keys()
    assert {"FLOAT", "HALF", "INT32", "BOOL"} <= trt.DataType.__members__.keys()


def test_the_real_one_refuses_a_foreign_plan_in_its_own_words():
    tensorrt()
    runtime = TensorRtRuntime(load_flavour(NoGpu("this test needs none")))
    with pytest.raises(TensorRtFailed, match=r"the plan cannot be loaded here: .*deserializeCudaEngine"):
        runtime.deserialize(b"no plan at all" * 100)


def test_an_engine_with_other_tensors_is_refused():
    device = Device()
    tensors = device.trt.plans[b"last"].model.tensors
    tensors["carry_in"] = tensors.pop("sum_in")
    with pytest.raises(EngineFailed, match=r"the plan's tensors: expected .*sum_in.*, got carry_in"):
        device.loaded()


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        (
            "sequence",
            Tensor(True, DataType.HALF, (-1, -1, 2)),
            "expected an input of float32",
        ),
        (
            "sequence",
            Tensor(True, DataType.FLOAT, (-1, -1, 3)),
            r"sequence: expected \(2,\) after 2 axes",
        ),
        ("output", Tensor(True, DataType.FLOAT, (-1, 2)), "tensor output: expected an output of float32"),
        ("output", Tensor(False, DataType.FLOAT, (-1, -1)), r"tensor output: expected .* got \(-1, -1\)"),
        ("sum_out", Tensor(False, DataType.FLOAT, (-1, 1, 2)), "tensor sum_out: expected"),
        ("lengths", Tensor(True, DataType.BOOL, (-1,)), "tensor lengths is BOOL; expected one of FLOAT"),
    ],
)
def test_a_tensor_of_another_kind_is_refused_by_its_name(name, tensor, message):
    device = Device()
    device.trt.plans[b"last"].model.tensors[name] = tensor
    with pytest.raises(EngineFailed, match=message):
        device.loaded()
    assert device.cuda.alive() == {}


def test_no_plan_at_all_is_refused():
    device = Device()
    device.trt.plans.clear()
    device.backend._plans = []
    with pytest.raises(EngineFailed, match="expected at least one plan"):
        device.loaded()


def test_what_it_takes_follows_from_the_plans():
    device = Device().loaded()
    assert isinstance(device.backend, PipelinedBackend)
    assert device.backend.capability.engine == "tensorrt"
    assert device.backend.capability.in_flight == 2
    assert device.backend.capability.max_padded_steps is None
    whole = Device(is_rtx=True)
    whole.artifact = replace(whole.artifact, signature=replace(whole.signature, states=()))
    for plan in whole.trt.plans.values():
        plan.model.tensors = {name: plan.model.tensors[name] for name in ("sequence", "lengths", "output")}
    assert whole.loaded().backend.capability.max_padded_steps == 32
    assert whole.backend.capability.engine == "tensorrt-rtx"


def test_a_context_that_tensorrt_will_not_create_fails_the_batch(monkeypatch):
    device = Device().loaded()
    monkeypatch.setattr(FakeEngine, "create_execution_context", lambda *_: None)
    device.trt.diary.log.write("ERROR", "out of memory")
    with pytest.raises(EngineFailed, match="no execution context: out of memory"):
        device.backend.run(device.batch([3]))


def test_what_another_call_said_before_is_not_this_call_s_reason():
    device = Device()
    device.trt.diary.log.write("ERROR", "an old story")
    device.trt.plans = {b"other": Plan(device.trt.plans[b"last"].model, ())}
    with pytest.raises(EngineFailed, match=r"the plan cannot be loaded here: Magic tag does not match$"):
        device.loaded()


def test_a_fake_device_runs_nothing_before_it_is_waited_for():
    cuda = FakeCuda()
    stream, pinned, memory = cuda.create_stream(), cuda.pinned(4), cuda.allocate(4)
    pinned[:] = 7
    cuda.copy_in(memory, pinned, stream)
    assert cuda.memory.view(memory, 4).tolist() != [7] * 4
    cuda.synchronize(stream)
    assert cuda.memory.view(memory, 4).tolist() == [7] * 4
