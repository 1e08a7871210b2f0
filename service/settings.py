"""Every setting, once: a sentence, a unit, a default. Read from CAROUSEL_* and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_MIB = 1 << 20


class Settings(BaseSettings):
    """The server's settings; an environment variable CAROUSEL_<NAME> sets each."""

    model_config = SettingsConfigDict(env_prefix="CAROUSEL_", frozen=True, extra="ignore")

    models_dir: Path = Field(default=Path("models"), description="folder of bundles, <name>/<version>/")
    plans_dir: Path = Field(default=Path("plans"), description="folder of TensorRT plans built here")
    max_plans_bytes: int = Field(
        default=8 * 1024 * _MIB, ge=0, description="most disk for plans; the least recently used go first"
    )
    models: frozenset[str] | None = Field(
        default=None, description="names to serve, as a JSON list; unset: all"
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    engines: tuple[Literal["tensorrt", "onnxruntime-cuda"], ...] = Field(
        default=("tensorrt", "onnxruntime-cuda"),
        description="what a GPU may be used through, as a JSON list; the CPU stands in for all of them",
    )
    gpu_precision: Literal["fp32", "fp16", "bf16"] = Field(
        default="fp32", description="what TensorRT computes in"
    )
    engine_stall_s: float = Field(
        default=5.0,
        gt=0,
        description="time after which a GPU engine's batch of up to 1,024 steps is given up",
    )
    shadow_share: float = Field(
        default=0.0, ge=0, le=1, description="share of batches run again on the other device and compared"
    )
    cpu_threads: int = Field(default=1, ge=1, description="ONNX Runtime threads of one engine")

    max_batch_rows: int = Field(default=64, ge=1, description="most sequences in one batch on the CPU")
    max_batch_row_steps: int = Field(
        default=16_384,
        ge=1,
        description="most rows x padded steps in one batch; one sequence alone may be longer",
    )
    gpu_max_batch_rows: int = Field(default=1024, ge=1, description="most sequences in one batch on a GPU")
    gpu_max_batch_row_steps: int = Field(
        default=32_768, ge=1, description="most rows x padded steps in one batch on a GPU"
    )
    max_batch_bytes: int = Field(default=64 * _MIB, ge=1, description="largest padded batch")
    max_waiting_rows: int = Field(default=2048, ge=1, description="most sequences waiting for one model")
    max_waiting_bytes: int = Field(default=256 * _MIB, ge=1, description="most bytes waiting for one model")
    max_body_bytes: int = Field(default=8 * _MIB, ge=1, description="largest request body")
    max_sequence_steps: int = Field(default=32_768, ge=1, description="longest sequence in steps")
    max_request_rows: int = Field(default=1024, ge=1, description="most sequences in one request")

    default_timeout_s: float = Field(
        default=30.0, gt=0, description="time to answer where the caller names none"
    )
    body_timeout_s: float = Field(default=20.0, gt=0, description="time a client has to send its body")
    drain_delay_s: float = Field(
        default=0.0,
        ge=0,
        description="time between 'not ready' and the last accepted connection after SIGTERM",
    )
    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="least severity logged"
    )
    logs_json: bool = Field(default=True, description="log lines as JSON; false for people at a terminal")
