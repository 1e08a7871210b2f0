"""Every setting, once: a sentence, a unit, a default. Read from CAROUSEL_* and nowhere else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.domain.version_policy import version_policies
from service.errors import InvalidSettings

_MIB = 1 << 20
# What protobuf can read.
MOST_MODEL_BYTES = 2 * 1024 * _MIB - 1
# Three requests a month; how long to wait for the next must be a number that can be said.
LEAST_PER_S = 1e-6
PREFIX = "CAROUSEL_"
_UNQUOTED = {f"{PREFIX}API_KEYS", f"{PREFIX}STATE_KEY", f"{PREFIX}SESSION_STORE"}
# Read by `carousel predict`, and exported by whoever also serves from that shell.
_OF_CLIENTS = frozenset({"KEY"})


def _listed(value: Any) -> Any:
    """`a,b` and `["a", "b"]` alike; raises ValueError where a bracket begins what is no JSON."""
    if not isinstance(value, str):
        return value
    if not value.lstrip().startswith("["):
        return [part.strip() for part in value.split(",") if part.strip()]
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        raise ValueError('expected names with commas between, as a,b, or JSON, as ["a", "b"]') from None


def _listed_or_none(value: Any) -> Any:
    """`none` is a list without names."""
    return [] if value is None else _listed(value)


def _policies(text: str) -> str:
    """The text as it is; raises ValueError where it names no version policy."""
    version_policies(text)
    return text


def _store_place(text: str | None) -> str | None:
    """The text as it is; raises ValueError where it names no store, and quotes no password."""
    if text is None:
        return None
    if text.startswith(("redis://", "rediss://")):
        if not _is_installed("redis"):
            raise ValueError("needs the Redis client: pip install -e '.[redis]' in the clone")
    elif not text.removeprefix("dir:") or not text.startswith("dir:"):
        raise ValueError("expected dir:PATH, redis://HOST:PORT/NUMBER, rediss://… or none")
    return text


def _with_its_packages(tracing: str) -> str:
    needed = {"console": "opentelemetry.sdk", "otlp": "opentelemetry.exporter.otlp.proto.http"}.get(tracing)
    if needed and not _is_installed(needed):
        raise ValueError("needs OpenTelemetry: pip install -e '.[otel]' in the clone")
    return tracing


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False


class Settings(BaseSettings):
    """The server's settings; an environment variable CAROUSEL_<NAME> sets each."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_parse_none_str="none", frozen=True, extra="ignore"
    )

    models_dir: Path = Field(default=Path("models"), description="folder of bundles, <name>/<version>/")
    plans_dir: Path = Field(default=Path("plans"), description="folder of TensorRT plans built here")
    max_plans_bytes: int = Field(
        default=8 * 1024 * _MIB, ge=0, description="most disk for plans; the least recently used go first"
    )
    max_model_bytes: int = Field(
        default=MOST_MODEL_BYTES,
        ge=1,
        le=MOST_MODEL_BYTES,
        description="largest bundle, all its files together",
    )
    models: Annotated[frozenset[str] | None, NoDecode, BeforeValidator(_listed)] = Field(
        default=None, description="names to serve, with commas between; unset: all"
    )
    version_policy: Annotated[str, AfterValidator(_policies)] = Field(
        default="latest",
        description="versions to serve: latest, latest:N, all or 1,3; or a JSON object by model, * the rest",
    )
    watch_s: float | None = Field(
        default=None, gt=0, description="time between two looks at models_dir for changes; unset: none"
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    grpc_port: int | None = Field(
        default=8001, ge=0, le=65535, description="port for gRPC; 0 takes a free one, none turns gRPC off"
    )
    engines: Annotated[
        tuple[Literal["tensorrt", "onnxruntime-cuda"], ...], NoDecode, BeforeValidator(_listed_or_none)
    ] = Field(
        default=("tensorrt", "onnxruntime-cuda"),
        description="what a GPU may be used through, with commas between; the CPU stands in for all",
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

    whole_sequences: Annotated[frozenset[str], NoDecode, BeforeValidator(_listed_or_none)] = Field(
        default=frozenset(),
        description="causal models whose sequences run whole, with commas between; the others ride in steps",
    )
    max_tick_s: float | None = Field(
        default=None,
        gt=0,
        description="longest tick of a causal model, which a newcomer may have to wait for; by default 0.005,"
        " and with all seats taken twenty times what a tick costs beside its steps",
    )
    stream_weight: float = Field(
        default=4.0,
        ge=0.01,
        le=100,
        description="engine time of live streams for each second of other requests, where both wait for more",
    )
    max_sessions: int = Field(default=10_000, ge=0, description="most open sessions of one model")
    max_session_bytes: int = Field(
        default=256 * _MIB,
        ge=0,
        description="most state of one model's open sessions and their last answers",
    )
    max_device_state_bytes: int = Field(
        default=256 * _MIB,
        ge=0,
        description="most recurrent state of one model that stays on a GPU; 0: all of it is on the host",
    )
    session_idle_s: float = Field(
        default=300.0, gt=0, description="time a session may be idle before it ends"
    )
    session_ttl_s: float = Field(default=86_400.0, gt=0, description="time a session may last in all")
    stream_credits: int = Field(
        default=8, ge=1, le=1024, description="most messages of a WebSocket that may wait for their answers"
    )
    stream_ping_s: float = Field(
        default=20.0, gt=0, description="time between two pings of a WebSocket; silent for two: it is closed"
    )
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
    max_inspected_unit_steps: int = Field(
        default=1 << 20, ge=1, description="most steps x hidden units in one inspection of gates"
    )
    max_request_rows: int = Field(default=1024, ge=1, description="most sequences in one request")

    default_timeout_s: float = Field(
        default=30.0,
        gt=0,
        description="time to answer where the caller names none; where an answer flows, for each step",
    )
    body_timeout_s: float = Field(default=20.0, gt=0, description="time a client has to send its body")
    api_keys_file: Path | None = Field(
        default=None, description="TOML file of API keys, read again when it changes; unset: no keys"
    )
    api_keys: SecretStr = Field(
        default=SecretStr(""),
        description="further API keys, name:role:sha256 with semicolons between; role: infer or admin",
    )
    model_control: Literal["keys", "open"] = Field(
        default="keys", description="who may load and unload: whoever holds an admin key, or everybody"
    )
    open_pages: bool = Field(
        default=True, description="whether /metrics, /docs, /openapi.json and the page need no API key"
    )
    requests_per_s: float | None = Field(
        default=None,
        ge=LEAST_PER_S,
        allow_inf_nan=False,
        description="requests a second of a key, or of all without one; unset: any",
    )
    request_burst: int | None = Field(
        default=None, ge=1, description="requests that may come at once; unset: a second's worth"
    )
    concurrent_requests: int | None = Field(
        default=None, ge=1, description="requests of a key being answered at a time; unset: any number"
    )
    max_header_bytes: int = Field(
        default=64 * 1024, ge=1024, description="largest request header; over gRPC, largest metadata"
    )
    max_headers: int = Field(default=100, ge=1, description="most fields in a request header")
    header_timeout_s: float = Field(default=10.0, gt=0, description="time a client has to send its header")
    write_timeout_s: float = Field(
        default=30.0, gt=0, description="time after which a client that reads nothing is disconnected"
    )
    max_connections: int = Field(
        default=10_000, ge=1, description="most connections, over HTTP and over gRPC each"
    )
    health_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="port that answers /v2/health/ only, in plain HTTP; unset: none",
    )
    grpc_max_streams: int = Field(default=1024, ge=1, description="most calls at a time on a connection")
    grpc_idle_s: float = Field(
        default=600.0, gt=0, description="time after which a gRPC connection without calls is closed"
    )
    grpc_max_age_s: float | None = Field(
        default=None, gt=0, description="age at which a gRPC connection is asked to reconnect; unset: never"
    )
    tls_certificate: Path | None = Field(
        default=None, description="PEM file of the server's certificate chain; unset: no TLS"
    )
    tls_key: Path | None = Field(default=None, description="PEM file of its private key")
    tls_client_ca: Path | None = Field(
        default=None, description="PEM file of whom client certificates must be from; unset: none needed"
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed_or_none)] = Field(
        default=(),
        description="origins whose pages may ask, with commas between; null is a page from a file, * all",
    )

    session_store: Annotated[str | None, AfterValidator(_store_place)] = Field(
        default="dir:sessions",
        description="where sessions outlive a restart: dir:PATH, redis://… or rediss://…; none: nowhere",
    )
    session_save_s: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="time between a step's answer and its state in the store; 0: before; unset: at the end",
    )
    max_session_store_bytes: int = Field(
        default=1024 * _MIB, ge=1, description="most disk for the sessions in a folder"
    )
    state_key: SecretStr = Field(
        default=SecretStr(""),
        description="seals the snapshots that clients carry: 64 hex digits; unset, and no file: not sealed",
    )
    state_keys_file: Path | None = Field(
        default=None, description="file of such keys, one a line: the first seals, all open"
    )

    drain_delay_s: float = Field(
        default=0.0,
        ge=0,
        description="time between 'not ready' and the last accepted connection after SIGTERM",
    )
    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="least severity logged"
    )
    logs_json: bool = Field(default=True, description="log lines as JSON; false for people at a terminal")
    tracing: Annotated[Literal["off", "otlp", "console"], AfterValidator(_with_its_packages)] = Field(
        default="off",
        description="where OpenTelemetry spans go; OTEL_EXPORTER_OTLP_* say how to reach a collector",
    )
    trace_share: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="share of requests traced where the caller's traceparent does not decide it",
    )


def read_settings(**given: Any) -> Settings:
    """The settings of the environment under those given; raises InvalidSettings naming each at fault."""
    try:
        return Settings(**given)
    except ValidationError as failure:
        raise InvalidSettings("; ".join(_faults(failure))) from None


def unknown_settings(environment: Mapping[str, str] = os.environ) -> dict[str, str | None]:
    """Variables that look like settings and are none, with the setting that may be meant."""
    known = [name.upper() for name in Settings.model_fields]
    given = {name.removeprefix(PREFIX) for name in environment if name.startswith(PREFIX)}
    unknown = sorted(given - {*known, *_OF_CLIENTS})
    near = {name: get_close_matches(name, known, n=1) for name in unknown}
    return {PREFIX + name: PREFIX + meant[0] if meant else None for name, meant in near.items()}


def _faults(failure: ValidationError) -> Iterator[str]:
    for fault in failure.errors():
        name = f"{PREFIX}{fault['loc'][0]}".upper()
        # Somebody may have written a key where its digest belongs, and an address may hold a password.
        got = "" if name in _UNQUOTED else f"got {fault['input']!r}: "
        message = fault["msg"].removeprefix("Value error, ")
        yield f"{name}: {got}{message[0].lower()}{message[1:]}"
