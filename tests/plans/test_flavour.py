"""One import surface: which TensorRT is taken, what it is bound to, and that it is not touched too early."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from plan_records import NO_GPU
from structlog.testing import capture_logs

from service.plans import flavour as module
from service.plans.driver import Gpu
from service.plans.flavour import Flavour, NoTensorRt, load_flavour
from service.plans.refusal import PlanRefused
from service.plans.tensorrt_log import TensorRtLog

GPU = Gpu("NVIDIA H200", (9, 0), 141 << 30, (13, 2))


def fake_tensorrt(version="10.16.1.11"):
    return SimpleNamespace(__version__=version, OnnxParser=object, ILogger=object)


@pytest.fixture
def installed(monkeypatch):
    """Only these modules can be imported; tells which were tried."""
    monkeypatch.setattr(module, "_flavour", module._flavour.__wrapped__)
    monkeypatch.setattr(module, "create_logger", lambda trt, log: SimpleNamespace(trt=trt, log=log))
    modules, tried = {}, []

    def imported(name):
        tried.append(name)
        if name not in modules:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return modules[name]

    monkeypatch.setattr(module, "import_module", imported)
    return SimpleNamespace(modules=modules, tried=tried)


def full(version="10.16.1.11") -> Flavour:
    return Flavour("tensorrt", version, fake_tensorrt(version), None, TensorRtLog())


def test_full_tensorrt_is_not_even_imported_without_a_driver(installed):
    installed.modules |= {"tensorrt": fake_tensorrt(), "tensorrt_rtx_bindings": fake_tensorrt("1.7.1.116")}
    found = load_flavour(NO_GPU)
    assert (found.name, found.version) == ("tensorrt-rtx", "1.7.1.116")
    assert "tensorrt" not in installed.tried


def test_with_a_driver_full_tensorrt_comes_first(installed):
    installed.modules |= {"tensorrt": fake_tensorrt(), "tensorrt_rtx": fake_tensorrt("1.7.1.116")}
    found = load_flavour(GPU)
    assert (found.name, found.version, found.is_rtx) == ("tensorrt", "10.16.1.11", False)


def test_a_tensorrt_without_a_parser_is_passed_over(installed):
    lean = SimpleNamespace(__name__="tensorrt", __version__="10.16.1.11")
    installed.modules |= {"tensorrt": lean, "tensorrt_rtx": fake_tensorrt("1.6.0.1")}
    assert load_flavour(GPU).version == "1.6.0.1"


def test_without_any_the_error_says_what_was_tried_and_what_to_install(installed):
    with pytest.raises(NoTensorRt) as failure:
        load_flavour(NO_GPU)
    for words in (
        "tensorrt: not tried",
        "No module named 'tensorrt_rtx_bindings'",
        ".[gpu-rtx]",
    ):
        assert words in failure.value.message


def test_a_library_that_cannot_be_loaded_is_an_answer(installed, monkeypatch):
    def broken(name):
        raise OSError(f"{name}: libnvinfer.so.10: cannot open shared object file")

    monkeypatch.setattr(module, "import_module", broken)
    with pytest.raises(NoTensorRt, match=r"libnvinfer\.so\.10"):
        load_flavour(GPU)


def test_a_plan_of_full_tensorrt_is_bound_to_the_very_gpu():
    assert full().target(GPU, ()) == "NVIDIA H200 (compute capability 9.0)"


def test_full_tensorrt_refuses_to_build_without_a_gpu_and_names_the_way_out():
    with pytest.raises(PlanRefused, match=r"these tests need none; .*'\.\[gpu-rtx\]'"):
        full().check_can_build(NO_GPU, ())
    with pytest.raises(PlanRefused, match=r"target: .* leave it out"):
        full().check_can_build(GPU, ("SM89",))


def test_the_targets_of_rtx_are_its_own_and_their_order_does_not_matter(flavour):
    assert flavour.target(GPU, ()) == "default"
    assert flavour.target(NO_GPU, ("SM89", "SM120")) == flavour.target(NO_GPU, ("SM120", "SM89"))
    with pytest.raises(PlanRefused, match=r"target: expected any of SM75, .*, got 'CURRENT'"):
        flavour.check_can_build(NO_GPU, ("SM89", "CURRENT"))


def test_the_real_network_is_strongly_typed_and_its_config_computes_no_tf32(flavour):
    builder = flavour.trt.Builder(flavour.logger)
    assert flavour.create_network(builder).get_flag(flavour.trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    config = flavour.create_config(builder, 1 << 30, ("SM89", "SM120"), is_captured=True)
    assert not config.get_flag(flavour.trt.BuilderFlag.TF32)
    assert config.get_memory_pool_limit(flavour.trt.MemoryPoolType.WORKSPACE) == 1 << 30
    assert config.num_compute_capabilities == 2


def test_rtx_takes_no_memory_of_its_own_where_a_graph_is_captured(flavour):
    builder = flavour.trt.Builder(flavour.logger)
    for is_captured in (True, False):
        config = flavour.create_config(builder, 1 << 30, (), is_captured)
        assert config.get_flag(flavour.trt.BuilderFlag.REQUIRE_USER_ALLOCATION) == is_captured


@pytest.mark.parametrize(
    ("features", "due"),
    [({"RUNTIME_ACTIVATION_RESIZE_10_10": 2}, {2: True}), ({"PROFILE_SHARING_0806": 0}, {})],
)
def test_activations_of_full_tensorrt_are_as_large_as_the_batch_where_it_can_do_that(features, due):
    trt, chosen = fake_tensorrt(), {}
    trt.MemoryPoolType = SimpleNamespace(WORKSPACE=0)
    trt.BuilderFlag = SimpleNamespace(TF32=7)
    trt.PreviewFeature = SimpleNamespace(**features)
    config = SimpleNamespace(
        set_memory_pool_limit=lambda *_: None,
        clear_flag=lambda _: None,
        set_preview_feature=chosen.__setitem__,
    )
    builder = SimpleNamespace(create_builder_config=lambda: config)
    flavour = Flavour("tensorrt", "10.3.0", trt, None, TensorRtLog())
    assert flavour.create_config(builder, 1 << 30, (), is_captured=True) is config
    assert chosen == due


def test_rtx_objects_to_what_is_no_plan(flavour):
    runtime = flavour.trt.Runtime(flavour.logger)
    assert flavour.objection(runtime, b"?" * 64) == "malformed engine"


def test_one_logger_serves_the_whole_process(flavour):
    assert load_flavour(NO_GPU) is flavour


def test_what_tensorrt_says_is_kept_while_somebody_listens_and_forwarded_in_any_case():
    log = TensorRtLog()
    with capture_logs() as lines:
        log.write("ERROR", "before")
        with log.listening() as heard:
            log.write("ERROR", " wrong \n")
            log.write("WARNING", "odd")
            log.write("INFO", "so far so good")
            log.write("VERBOSE", "chatter")
        log.write("ERROR", "after")
    assert heard == [("error", "wrong"), ("warning", "odd")]
    assert [line["said"] for line in lines] == ["before", "wrong", "odd", "so far so good", "after"]
    assert log.last_errors() == "before; wrong; after"
    assert log.last_errors() == ""


def test_threads_that_ask_for_errors_at_the_same_time_share_them():
    log, asking, rounds = TensorRtLog(), 8, 200
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(asking) as pool, capture_logs():
            for _ in range(rounds):
                for number in range(asking):
                    log.write("ERROR", str(number))
                start = threading.Barrier(asking)

                def ask(start: threading.Barrier = start) -> str:
                    start.wait()
                    return log.last_errors()

                heard = [one.result() for one in [pool.submit(ask) for _ in range(asking)]]
                words = [word for said in heard if said for word in said.split("; ")]
                assert sorted(words) == sorted(map(str, range(asking)))
    finally:
        sys.setswitchinterval(interval)


def test_importing_the_builder_imports_no_tensorrt():
    program = "import sys, service.plans.builder; sys.exit(any('tensorrt' == n[:8] for n in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
