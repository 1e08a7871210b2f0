"""ONNX Runtime sessions on the CPU, and on the GPU only where all that matters runs there."""

from __future__ import annotations

from typing import Any

from service.backends.protocol import Artifact
from service.errors import EngineFailed, InvalidBundle

CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"
_WARNING = 3
_FOLDED_BYTES = str(1 << 26)

# Strings, as the provider takes them. TF32 keeps ten bits of a float32's mantissa. Searching all of cuDNN's
# convolutions takes seconds, and would be done again for every length and number of rows.
_CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}

# What takes the time. Arithmetic on shapes is put on the CPU on purpose, and belongs there.
_HEAVY = ("LSTM", "GRU", "RNN", "Scan", "Loop", "Conv", "MatMul", "Gemm")


def create_session(
    runtime: Any, artifact: Artifact, threads: int, is_cuda: bool, content: bytes | None = None
) -> Any:
    """A session of the module `runtime`, over the artifact's file or, where it is given, `content`.

    Raises InvalidBundle where the file is not a graph ONNX Runtime can run; EngineFailed where the GPU is
    wanted and ONNX Runtime has none, or would run the model on the CPU all the same.
    """
    if is_cuda:
        _prepare_cuda(runtime)
    providers: list[Any] = [(CUDA, _CUDA_OPTIONS), _CPU] if is_cuda else [_CPU]
    content = artifact.content() if content is None else content
    try:
        # Without the provider it would start again on the CPU: on a GPU that is found out below.
        session = runtime.InferenceSession(
            content,
            _options(runtime, threads, is_cuda),
            providers=providers,
            enable_fallback=int(is_cuda),
        )
    except Exception as failure:
        raise InvalidBundle(f"{artifact.onnx_path}: ONNX Runtime cannot load it: {failure}") from failure
    # To fall back later it would keep the file in memory.
    session.disable_fallback()
    session._model_bytes = None  # noqa: SLF001 - nothing else lets go of it
    if is_cuda:
        _check_on_gpu(session)
    return session


def _options(runtime: Any, threads: int, is_cuda: bool) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _WARNING
    # Idle engines must not spin: many models share few cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Lengths and rows change with every batch: a plan per shape would be planned again each time.
    options.enable_mem_pattern = False
    # Bytes that are looked through as ONNX must not be read as ONNX Runtime's own format.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # What a graph computes from constants is computed once, while the session is made.
    options.add_session_config_entry("optimization.constant_folding_max_output_size_in_bytes", _FOLDED_BYTES)
    if is_cuda:
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return options


def _prepare_cuda(runtime: Any) -> None:
    available = runtime.get_available_providers()
    if CUDA not in available:
        raise EngineFailed(
            f"this ONNX Runtime has no {CUDA}, only {', '.join(available)}: "
            "expected the package onnxruntime-gpu in the place of onnxruntime"
        )
    # CUDA's and cuDNN's libraries come as packages, where the loader does not look by itself.
    runtime.preload_dlls()


def _check_on_gpu(session: Any) -> None:
    """ONNX Runtime goes to the CPU without a word: for a session, or for the nodes its provider lacks."""
    if CUDA not in session.get_providers():
        raise EngineFailed(
            f"ONNX Runtime could not start its {CUDA} and took {', '.join(session.get_providers())}: "
            "expected CUDA and cuDNN in the versions it was built for"
        )
    strays = _heavy_nodes_on_the_cpu(session)
    if strays:
        raise EngineFailed(
            f"ONNX Runtime would run {', '.join(strays)} on the CPU: its {CUDA} has no LSTM with peepholes, "
            "clipping, coupled gates or other activations, and lacks some operators"
        )


def _heavy_nodes_on_the_cpu(session: Any) -> list[str]:
    if not hasattr(session, "get_provider_graph_assignment_info"):
        raise EngineFailed("this ONNX Runtime cannot say where it runs a model: expected a newer one")
    return [
        f"{node.name} ({node.op_type})"
        for part in session.get_provider_graph_assignment_info()
        if part.ep_name == _CPU
        for node in part.get_nodes()
        if any(kind in node.op_type for kind in _HEAVY)
    ]
