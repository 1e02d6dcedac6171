"""Analyses with any generation of flamesdk, behind the nginx of their time."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Iterator

import httpx
import pytest

from flame_node_agent.devstack.nodes import NodeRegister
from tests.acceptance.conftest import Analysis
from tests.acceptance.flame_nginx import LOCATION_2025, LOCATION_2026, FlameNginx
from tests.acceptance.hub_user import HubUser
from tests.acceptance.running_agents import RunningAgent
from tests.acceptance.sdk_replay import GENERATIONS, Generation, Sdk

MODEL = {"weights": [0.25 * number for number in range(5_000)], "epoch": 3}


@pytest.fixture(params=GENERATIONS, ids=str)
def generation(request: pytest.FixtureRequest) -> Generation:
    found: Generation = request.param
    return found


@pytest.fixture
def sdk(any_agent: RunningAgent, analysis: Analysis, generation: Generation) -> Iterator[Sdk]:
    """The SDK of an analysis at this node; its nginx is as strict about slashes as in the SDK's time."""
    location = LOCATION_2025 if generation.slash else LOCATION_2026
    with (
        FlameNginx(any_agent.server.ports[0], location) as nginx,
        Sdk(generation, nginx.base_url, analysis.auth.token) as found,
    ):
        yield found


@pytest.fixture
def receiving_sdk(peer_agent: RunningAgent, analysis: Analysis, generation: Generation) -> Iterator[Sdk]:
    """The SDK of the same analysis at another node, which results can be sealed for."""
    with (
        FlameNginx(peer_agent.server.ports[0]) as nginx,
        Sdk(generation, nginx.base_url, analysis.auth.token) as found,
    ):
        yield found


def test_final_results_are_submitted_as_string_bytes_and_pickle(
    sdk: Sdk, any_agent: RunningAgent, analysis: Analysis, hub_user: HubUser
) -> None:
    """Several results are several requests, one after the other; the hub keeps each, with its own name."""
    contents = [str(MODEL).encode(), b"\x00\xff" * 500, pickle.dumps(MODEL)]
    for content in contents:
        any_agent.delivered(sdk.submit_final(content), analysis.auth)
    arrived = [hub_user.content_of(link) for link in hub_user.linked_results(analysis.id)]
    assert sorted(arrived) == sorted(contents)


@pytest.mark.parametrize("generation", [g for g in GENERATIONS if g.local_dp], ids=str, indirect=True)
def test_number_is_submitted_with_local_dp(
    sdk: Sdk, any_agent: RunningAgent, analysis: Analysis, hub_user: HubUser
) -> None:
    """What arrives is a number, and another one."""
    any_agent.delivered(sdk.submit_final_with_local_dp(7.25, epsilon=0.5, sensitivity=2.0), analysis.auth)
    assert float(hub_user.content_of(hub_user.newest_result(analysis.id))) != 7.25


def test_local_result_is_loaded_by_the_last_part_of_its_url(sdk: Sdk) -> None:
    result_id = sdk.save_local(MODEL)
    assert str(uuid.UUID(result_id)) == result_id
    assert sdk.load_local(result_id) == MODEL


def test_tagged_results_are_loaded_in_the_order_in_which_they_were_saved(sdk: Sdk) -> None:
    """So that `first` and `last` mean what they say."""
    for number in range(3):
        sdk.save_local({"round": number}, tag="weights")
    sdk.save_local(MODEL, tag="model")
    assert sdk.tags() == ["weights", "model"]
    assert sdk.load_tagged("weights") == [{"round": 0}, {"round": 1}, {"round": 2}]


def test_tag_that_only_the_sdk_allows_ends_the_analysis_with_a_400(sdk: Sdk) -> None:
    """The SDK has no limit of length."""
    with pytest.raises(httpx.HTTPStatusError, match="400 Bad Request"):
        sdk.save_local(MODEL, tag="a" * 33)


def test_global_result_is_loaded_by_the_last_part_of_its_url(sdk: Sdk) -> None:
    """As SDKs before 0.6 may save them: in the clear."""
    result_id = sdk.save_global(MODEL, receiver=None)
    assert str(uuid.UUID(result_id)) == result_id
    assert sdk.load_global(result_id, sender=None) == MODEL


@pytest.mark.parametrize("generation", [g for g in GENERATIONS if g.sender], ids=str, indirect=True)
def test_global_result_for_another_node_is_loaded_there(
    sdk: Sdk, receiving_sdk: Sdk, nodes: NodeRegister
) -> None:
    """The receiver learns the id by a message and names the sender."""
    result_id = sdk.save_global(MODEL, receiver=nodes.peer.id)
    assert receiving_sdk.load_global(result_id, sender=nodes.own.id) == MODEL


def test_unknown_result_ends_the_analysis_with_a_404(sdk: Sdk) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="404 Not Found"):
        sdk.load_local(str(uuid.uuid4()))
