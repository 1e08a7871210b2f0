"""What a path or a method needs, also one that nobody has written yet."""

from __future__ import annotations

import pytest

from service.admission.roles import Role, role_for_method, role_for_path


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/v2/health/live", Role.EVERYBODY),
        ("/v2/health/ready", Role.EVERYBODY),
        ("/v2/models/sums/ready", Role.INFER),
        ("/v2", Role.INFER),
        ("/v2/repository/index", Role.INFER),
        ("/v2/repository/index/", Role.INFER),
        ("/v2/repository/models/sums/load", Role.ADMIN),
        ("/v2/repository/models/sums/unload/", Role.ADMIN),
        ("/v2/repository/later", Role.ADMIN),
        ("/v2/logging", Role.ADMIN),
        ("/v2/logging/", Role.ADMIN),
        ("/never/heard/of", Role.INFER),
        ("//v2/health/live", Role.INFER),
        ("/v2/healthy", Role.INFER),
    ],
)
def test_a_path_needs_a_role(path, role):
    assert role_for_path(path, are_pages_open=True) is role
    assert role_for_path(path, are_pages_open=False) is role


@pytest.mark.parametrize(
    ("method", "is_trusted", "role"),
    [("PUT", False, Role.ADMIN), ("PUT", True, Role.INFER), ("GET", False, Role.INFER)],
)
def test_state_that_may_be_made_up_is_for_admins_to_bring(method, is_trusted, role):
    for path in ("/v2/models/sums/sessions/talk/state", "/v2/models/sums/sessions/talk/state/"):
        assert role_for_path(path, True, method, is_state_trusted=is_trusted) is role


@pytest.mark.parametrize("path", ["/", "/metrics", "/docs", "/openapi.json"])
def test_pages_are_open_or_need_a_key(path):
    assert role_for_path(path, are_pages_open=True) is Role.EVERYBODY
    assert role_for_path(path, are_pages_open=False) is Role.INFER


@pytest.mark.parametrize(
    ("method", "role"),
    [
        ("/inference.GRPCInferenceService/ServerReady", Role.EVERYBODY),
        ("/inference.GRPCInferenceService/ModelReady", Role.INFER),
        ("/inference.GRPCInferenceService/RepositoryModelLoad", Role.ADMIN),
        ("/inference.GRPCInferenceService/RepositoryModelUnload", Role.ADMIN),
        ("/inference.GRPCInferenceService/LogSettings", Role.ADMIN),
        ("/grpc.health.v1.Health/Check", Role.EVERYBODY),
        ("/never.heard.Of/It", Role.INFER),
    ],
)
def test_a_method_needs_a_role(method, role):
    assert role_for_method(method, are_pages_open=False) is role


def test_reflection_is_a_page():
    method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    assert role_for_method(method, are_pages_open=True) is Role.EVERYBODY
    assert role_for_method(method, are_pages_open=False) is Role.INFER
