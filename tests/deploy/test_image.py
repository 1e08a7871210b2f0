"""What can be said of the image without building it."""

from __future__ import annotations

import re

from service.settings import Settings


def test_the_image_runs_as_a_numbered_user_that_is_not_root(dockerfile):
    (user,) = dockerfile.arguments("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


def test_cpu_is_built_by_default_and_differs_from_gpu_in_nothing_but_settings(dockerfile):
    stages = dockerfile.stages
    assert list(stages)[-1] == "cpu"
    assert stages["cpu"] == stages["gpu"] == "runtime"
    assert stages["builder"] == stages["runtime"] == "${BASE_IMAGE}"


def test_both_doors_are_exposed_and_one_is_asked_for_health(dockerfile):
    doors = [dockerfile.environment[name] for name in ("CAROUSEL_PORT", "CAROUSEL_GRPC_PORT")]
    assert dockerfile.arguments("EXPOSE") == [" ".join(doors)]
    (health,) = dockerfile.arguments("HEALTHCHECK")
    assert "os.environ['CAROUSEL_PORT']" in health
    assert "/v2/health/ready" in health


def test_the_server_itself_gets_the_signal_it_drains_on(dockerfile):
    assert dockerfile.arguments("STOPSIGNAL") == ["SIGTERM"]
    assert dockerfile.arguments("ENTRYPOINT") == ['["python", "-m", "service"]']


def test_the_image_sets_only_settings_the_server_knows(dockerfile):
    known = {f"CAROUSEL_{name.upper()}" for name in Settings.model_fields}
    assert {name for name in dockerfile.environment if name.startswith("CAROUSEL_")} <= known


def test_onnx_runtime_is_told_not_to_report_to_its_maker(dockerfile):
    assert dockerfile.environment["ORT_DISABLE_TELEMETRY"] == "1"


def test_the_build_sees_what_it_copies_and_nothing_else(dockerfile, root):
    copies = [given.split()[:-1] for given in dockerfile.arguments("COPY") if not given.startswith("--from")]
    sources = {source for group in copies for source in group}
    ignored = (root / ".dockerignore").read_text().splitlines()
    assert all((root / source).exists() for source in sources)
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == sources
