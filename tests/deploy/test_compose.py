"""What can be said of the compose file without an engine."""

from __future__ import annotations

import pytest
import yaml

from service.settings import Settings

SERVERS = ["cpu", "gpu", "secured"]


def test_there_is_a_server_for_each_device_a_guarded_one_and_prometheus_beside_them(compose):
    assert set(compose["services"]) == {*SERVERS, "prometheus"}
    assert "name" not in compose


def test_the_servers_that_need_more_than_a_cpu_have_to_be_asked_for(compose):
    profiles = {name: service.get("profiles") for name, service in compose["services"].items()}
    assert profiles == {"cpu": None, "gpu": ["gpu"], "secured": ["secured"], "prometheus": None}


def test_the_guarded_server_is_set_up_from_its_secrets(compose):
    secured = compose["services"]["secured"]
    known = {f"CAROUSEL_{name.upper()}" for name in Settings.model_fields}
    assert set(secured["environment"]) <= known
    files = {value for value in secured["environment"].values() if value.startswith("/")}
    assert files == {f"/run/secrets/{name}" for name in secured["secrets"]}
    assert set(secured["secrets"]) == set(compose["secrets"])


@pytest.mark.parametrize("name", SERVERS)
def test_both_doors_of_a_server_are_published(compose, dockerfile, name):
    inside = [port.rpartition(":")[2] for port in compose["services"][name]["ports"]]
    assert [" ".join(inside)] == dockerfile.arguments("EXPOSE")


def test_the_gpu_server_asks_for_one_nvidia_gpu_and_its_runtime(compose):
    gpu = compose["services"]["gpu"]
    (device,) = gpu["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert gpu["build"]["args"] == {"EXTRA": "gpu"}


@pytest.mark.parametrize("name", [*SERVERS, "prometheus"])
def test_every_service_is_hardened_bounded_and_published_on_loopback_only(compose, name):
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "memory" in service["deploy"]["resources"]["limits"]
    assert service["pids_limit"] > 0
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_published_ports_do_not_clash(compose):
    published = [port.split(":")[1] for service in compose["services"].values() for port in service["ports"]]
    assert len(set(published)) == len(published)


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_is_built_from_its_own_stage_and_has_time_to_finish_what_it_accepted(
    compose, dockerfile, name
):
    server = compose["services"][name]
    assert server["build"]["target"] == server["image"].removeprefix("carousel:")
    assert server["build"]["target"] in dockerfile.stages
    default_timeout_s = Settings.model_fields["default_timeout_s"].default
    assert float(server["stop_grace_period"].removesuffix("s")) > default_timeout_s


def test_prometheus_finds_every_server_by_its_name_and_port(compose, dockerfile, root):
    config = yaml.safe_load((root / "deploy" / "prometheus" / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert set(found["names"]) == set(compose["services"]) - {"prometheus", "secured"}
    assert str(found["port"]) == dockerfile.environment["CAROUSEL_PORT"]


def test_the_alerts_are_mounted_where_prometheus_looks_for_them(compose, root):
    config = yaml.safe_load((root / "deploy" / "prometheus" / "prometheus.yml").read_text())
    mounts = [volume.split(":") for volume in compose["services"]["prometheus"]["volumes"]]
    mounted = {target: root / source for source, target, *_ in mounts if source.startswith("./")}
    (folder,) = mounted
    for path in config["rule_files"]:
        assert (mounted[folder] / path.removeprefix(f"{folder}/")).is_file()
