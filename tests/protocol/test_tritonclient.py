"""tritonclient asks everything it can ask but inference."""

from __future__ import annotations

from functools import partial

import pytest
from live_server import LiveServer
from on_a_loop import on_a_loop
from triton_conversation import rows, talk, tensor
from tritonclient.http import InferenceServerClient
from tritonclient.utils import InferenceServerException


@on_a_loop
async def test_health_is_told_by_the_status():
    def health(client):
        models = [client.is_model_ready("sums"), client.is_model_ready("sums", "1")]
        return [client.is_server_live(), client.is_server_ready(), *models]

    async with LiveServer() as server:
        assert await talk(server, health) == [True] * 4
        server.memory.carousel.drain()
        assert await talk(server, health) == [True, False, False, False]
        assert not await talk(server, lambda client: client.is_model_ready("nobody"))


@on_a_loop
async def test_the_server_lists_what_it_does_of_the_protocol():
    async with LiveServer() as server:
        told = await talk(server, lambda client: client.get_server_metadata())
        assert told["name"] == "carousel"
        assert told["extensions"] == [
            "binary_tensor_data",
            "logging",
            "model_configuration",
            "model_repository",
            "model_repository(unload_dependents)",
            "sequence",
            "sequence(string_id)",
            "statistics",
        ]


@pytest.mark.parametrize("version", ["", "1"])
@on_a_loop
async def test_a_model_s_configuration_has_the_tensors_of_its_metadata_without_the_batch(version):
    async with LiveServer(max_request_rows=7) as server:
        metadata = await talk(server, lambda client: client.get_model_metadata("running", version))
        config = await talk(server, lambda client: client.get_model_config("running", version))
        for told, described in (
            (config["input"], metadata["inputs"]),
            (config["output"], metadata["outputs"]),
        ):
            assert [(t["name"], t["data_type"], t["dims"]) for t in told] == [
                (t["name"], f"TYPE_{t['datatype']}", t["shape"][1:]) for t in described
            ]
            assert all(t["shape"][0] == -1 for t in described)
        assert [t["optional"] for t in config["input"]] == [False, True]
        assert config["max_batch_size"] == 7
        assert "dynamic_batching" not in config
        assert config["sequence_batching"]["max_sequence_idle_microseconds"] == 300_000_000


@on_a_loop
async def test_a_model_on_whole_sequences_is_described_without_state():
    async with LiveServer(whole_sequences="running") as server:
        config = await talk(server, lambda client: client.get_model_config("running"))
        assert (config["dynamic_batching"], "sequence_batching" in config) == ({}, False)
        assert config["model_transaction_policy"] == {"decoupled": False}


@on_a_loop
async def test_the_index_has_every_version_and_why_one_is_not_in_service():
    async with LiveServer() as server:
        server.memory.carousel.registry.add_failure("sums", "2", "its file is torn")
        index = await talk(server, lambda client: client.get_model_repository_index())
        assert index == [
            {"name": "letters", "version": "1", "state": "READY", "reason": ""},
            {"name": "running", "version": "1", "state": "READY", "reason": ""},
            {"name": "sums", "version": "1", "state": "READY", "reason": ""},
            {"name": "sums", "version": "2", "state": "UNAVAILABLE", "reason": "its file is torn"},
        ]


@on_a_loop
async def test_statistics_come_for_one_version_one_model_or_all():
    async with LiveServer() as server:
        await talk(server, lambda client: client.infer("sums", [tensor("sequence", rows())]))
        for name, version, due in (
            ("", "", [("letters", 0), ("running", 0), ("sums", 2)]),
            ("sums", "", [("sums", 2)]),
            ("sums", "1", [("sums", 2)]),
        ):
            ask = partial(
                InferenceServerClient.get_inference_statistics, model_name=name, model_version=version
            )
            told = await talk(server, ask)
            counted = [(model["name"], model["inference_count"]) for model in told["model_stats"]]
            assert counted == due


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.get_model_metadata("sums", "7"),
        lambda client: client.get_model_config("sums", "7"),
        lambda client: client.get_inference_statistics("sums", "7"),
        lambda client: client.infer("sums", [tensor("sequence", rows())], "7"),
    ],
)
@on_a_loop
async def test_a_version_that_is_not_there_is_refused_in_the_same_words_everywhere(ask):
    async with LiveServer() as server:
        with pytest.raises(InferenceServerException) as refusal:
            await talk(server, ask)
        assert refusal.value.status() == "404"
        assert refusal.value.message() == "version: sums has no version 7, it has 1"
