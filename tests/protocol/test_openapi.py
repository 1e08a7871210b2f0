"""The documentation has every route of the protocol, in every form it can be asked in."""

from __future__ import annotations

from memory_server import MemoryServer
from on_a_loop import on_a_loop

ABOUT_A_MODEL = ("", "/ready", "/config", "/stats")


@on_a_loop
async def test_every_route_is_documented_with_and_without_a_version():
    async with MemoryServer() as server:
        paths = (await server.client.get("/openapi.json")).json()["paths"]
        for model in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
            assert {f"{model}{suffix}" for suffix in (*ABOUT_A_MODEL, "/infer")} <= set(paths)
            assert all("404" in paths[f"{model}{suffix}"]["get"]["responses"] for suffix in ABOUT_A_MODEL)
        assert {"get", "post"} == set(paths["/v2/logging"])
        assert {"/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/stats"} <= set(paths)
        assert "ready" in str(paths["/v2/repository/index"]["post"]["requestBody"])


@on_a_loop
async def test_inference_is_documented_in_json_and_in_bytes_both_ways():
    async with MemoryServer() as server:
        paths = (await server.client.get("/openapi.json")).json()["paths"]
        for version in ("", "/versions/{version}"):
            operation = paths[f"/v2/models/{{model}}{version}/infer"]["post"]
            answer = operation["responses"]["200"]
            both = {"application/json", "application/octet-stream"}
            assert set(operation["requestBody"]["content"]) == set(answer["content"]) == both
            headers = [given["name"] for given in operation["parameters"] if given["in"] == "header"]
            assert headers == ["Inference-Header-Content-Length", "Content-Encoding", "Accept-Encoding"]
            assert "Inference-Header-Content-Length" in answer["headers"]


@on_a_loop
async def test_the_page_can_send_a_key_and_need_not():
    async with MemoryServer() as server:
        document = (await server.client.get("/openapi.json")).json()
        assert set(document["components"]["securitySchemes"]) == {"bearer", "header"}
        assert {} in document["security"]
        assert {"401", "403", "431"} <= set(document["paths"]["/predict/{model}"]["post"]["responses"])


@on_a_loop
async def test_nothing_is_documented_that_cannot_be():
    async with MemoryServer() as server:
        paths = (await server.client.get("/openapi.json")).json()["paths"]
        operations = [operation for route in paths.values() for operation in route.values()]
        given = [given for operation in operations for given in operation.get("parameters", [])]
        assert {one["in"] for one in given} == {"path", "header", "query"}
        opening = {"session", "rows", "idle_s", "ttl_s", "resumable", "resume"}
        assert {one["name"] for one in given if one["in"] == "query"} == {"replace"} | opening
        assert not [operation for operation in operations if "422" in operation["responses"]]


@on_a_loop
async def test_every_route_says_how_it_may_refuse_and_in_what_form():
    async with MemoryServer() as server:
        paths = (await server.client.get("/openapi.json")).json()["paths"]
        for path, route in paths.items():
            for operation in route.values():
                refusals = {
                    status: said for status, said in operation["responses"].items() if status >= "400"
                }
                takes_a_key = not path.startswith("/v2/health/")
                assert ({"401", "403", "429", "503"} <= set(refusals)) == takes_a_key
                assert {"408", "431", "500"} <= set(refusals)
                assert all("error" in str(said["content"]) for said in refusals.values())
                assert "429" not in refusals or "Retry-After" in refusals["429"]["headers"]


@on_a_loop
async def test_answers_in_events_are_documented_by_event_and_as_nothing_else():
    async with MemoryServer() as server:
        paths = (await server.client.get("/openapi.json")).json()["paths"]
        for route in ("generate", "forecast"):
            whole = paths[f"/v2/models/{{model}}/{route}"]["post"]["responses"]["200"]["content"]
            told = paths[f"/v2/models/{{model}}/{route}_stream"]["post"]["responses"]["200"]["content"]
            assert (set(whole), set(told)) == ({"application/json"}, {"text/event-stream"})
            event = told["text/event-stream"]["itemSchema"]["properties"]["data"]
            piece, last, error = (set(kind["required"]) for kind in event["contentSchema"]["anyOf"])
            assert {"model_name", "model_version", "steps"} <= last
            assert (piece & last, error) == ({"text_output"} & piece, {"error"})


@on_a_loop
async def test_what_sessions_answer_is_documented_to_the_field():
    async with MemoryServer() as server:
        paths = (await server.client.get("/openapi.json")).json()["paths"]
        opened = await server.client.post("/v2/models/running/sessions", json={"id": "talk"})
        said = paths["/v2/models/{model}/sessions"]["post"]["responses"]["201"]
        assert "Location" in said["headers"]
        assert set(said["content"]["application/json"]["schema"]["required"]) == set(opened.json())
        body = paths["/v2/models/{model}/sessions"]["post"]["requestBody"]["content"]["application/json"]
        most_rows = server.carousel.settings.max_request_rows
        assert body["schema"]["properties"]["rows"]["maximum"] == most_rows


@on_a_loop
async def test_loading_and_unloading_answer_without_a_body_and_say_so():
    async with MemoryServer() as server:
        paths = (await server.client.get("/openapi.json")).json()["paths"]
        for action in ("load", "unload"):
            operation = paths[f"/v2/repository/models/{{model}}/{action}"]["post"]
            assert operation["responses"]["200"] == {"description": "done; the body is empty"}
