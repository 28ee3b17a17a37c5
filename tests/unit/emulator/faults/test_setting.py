"""The three ways to set a fault: a scenario, a flag, the controls; and what a restart remembers."""

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from batchwright.cli.commands.emulator import command, read_faults
from batchwright.emulator import Scenario, ScenarioError, Vendor, create_app, parse_flag
from batchwright.errors import ConfigurationError

FAULT = {"name": "server_error", "provider": "openai", "on": ["list"], "times": 2}


@pytest.fixture
def start(tmp_path, clock):
    """Start an emulator over the same data again and again."""
    apps = []

    def start(**options):
        apps.append(create_app(tmp_path / "data", clock=clock, **options))
        return TestClient(apps[-1])

    yield start
    for app in apps:
        app.state.world.close()


def shown(client):
    faults = client.get("/_emulator/faults").json()["faults"]
    return [(fault["name"], fault["provider"], fault["occasions"], fault["strikes"]) for fault in faults]


def ask(client):
    return client.get("/openai/v1/batches", headers={"authorization": "Bearer k"}).status_code


def test_a_scenario_holds_faults_and_reads_back_the_same():
    scenario = Scenario.parse({"faults": [FAULT, {"name": "hang", "provider": "gemini"}], "fail_every": 2})
    assert [(fault.name, fault.vendor) for fault in scenario.faults] == [
        ("server_error", Vendor.OPENAI),
        ("hang", Vendor.GEMINI),
    ]
    assert Scenario.parse(scenario.to_json()) == scenario
    assert scenario.patched({"fail_every": 3}).faults == scenario.faults
    assert scenario.patched({"faults": []}).faults == ()


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ({"name": "hang"}, "faults are a list"),
        ([{"name": "hung"}], "faults: unknown fault 'hung'; did you mean 'hang'"),
        ([{"name": "error_file_id", "provider": "gemini"}], "cannot happen to gemini"),
    ],
)
def test_a_wrong_fault_makes_no_scenario(faults, message):
    with pytest.raises(ScenarioError, match=message):
        Scenario.parse({"faults": faults})


def test_a_scenario_with_faults_strikes(start):
    client = start(scenario=Scenario.parse({"faults": [FAULT]}))
    assert [ask(client) for _ in range(3)] == [500, 500, 200]
    assert shown(client) == [("server_error", "openai", 3, 2)]


def test_a_fault_that_is_added_says_what_it_is_and_leaves_the_others_their_count(http):
    http.post("/_emulator/faults", json=FAULT)
    ask(http)
    answer = http.post("/_emulator/faults", json={"name": "stuck"})
    added = answer.json()["faults"]
    assert [(fault["provider"], fault["fraction"], fault["strikes"]) for fault in added] == [
        ("openai", 0.5, 0),
        ("anthropic", 0.5, 0),
        ("gemini", 0.5, 0),
    ]
    assert shown(http)[0] == ("server_error", "openai", 1, 1)
    assert len(http.get("/_emulator/scenario").json()["faults"]) == 4


def test_the_same_fault_can_be_set_again(http):
    for _ in range(2):
        http.post("/_emulator/faults", json={**FAULT, "times": 1})
    assert [ask(http) for _ in range(3)] == [500, 500, 200]


def test_faults_are_cleared_together(http):
    http.post("/_emulator/faults", json=FAULT)
    assert http.delete("/_emulator/faults").json() == {"faults": []}
    assert ask(http) == 200
    assert shown(http) == []
    assert http.get("/_emulator/scenario").json()["faults"] == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"name": "error_file_id", "provider": "anthropic"}', "cannot happen to anthropic"),
        (b'{"name": "drop"}', "unknown fault 'drop'"),
        (b"{}", 'with a "name"'),
        (b"{", "not JSON"),
    ],
)
def test_what_cannot_happen_is_refused_with_a_clear_error(http, body, message):
    response = http.post("/_emulator/faults", content=body)
    assert response.status_code == 400
    assert message in response.json()["error"]
    assert shown(http) == []


def test_a_patch_without_faults_leaves_them_and_one_with_faults_replaces_them(http):
    http.post("/_emulator/faults", json=FAULT)
    ask(http)
    http.patch("/_emulator/scenario", json={"shuffle": True})
    assert shown(http) == [("server_error", "openai", 1, 1)]
    http.patch("/_emulator/scenario", json={"faults": [{**FAULT, "times": 1}]})
    assert shown(http) == [("server_error", "openai", 0, 0)]
    http.put("/_emulator/scenario", json={})
    assert shown(http) == []


def test_a_reset_lets_faults_begin_again(http):
    http.post("/_emulator/faults", json={**FAULT, "times": 1})
    assert [ask(http), ask(http)] == [500, 200]
    http.delete("/_emulator/state")
    assert shown(http) == [("server_error", "openai", 0, 0)]
    assert [ask(http), ask(http)] == [500, 200]


def test_faults_and_their_counts_survive_a_restart(start):
    first = start(scenario=Scenario.parse({"faults": [FAULT]}))
    assert ask(first) == 500
    first.app.state.world.close()
    second = start()
    assert shown(second) == [("server_error", "openai", 1, 1)]
    assert [ask(second), ask(second)] == [500, 200]


def test_a_struck_job_stays_struck_over_a_restart(start, clock):
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    params = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    first = start(faults=parse_flag("all_failed:anthropic"))
    url = "/anthropic/v1/messages/batches"
    job = first.post(url, json={"requests": [{"custom_id": "a", "params": params}]}, headers=headers).json()["id"]
    first.app.state.world.close()
    second = start(scenario=Scenario())
    clock.advance(60)
    assert second.get(f"{url}/{job}", headers=headers).json()["request_counts"]["errored"] == 1


def test_faults_given_at_the_start_come_after_the_scenarios_and_in_place_of_remembered_ones(start):
    first = start(scenario=Scenario.parse({"faults": [FAULT]}), faults=parse_flag("stuck:gemini"))
    assert [name for name, *_ in shown(first)] == ["server_error", "stuck"]
    first.app.state.world.close()
    second = start(faults=parse_flag("hang:gemini"))
    assert [name for name, *_ in shown(second)] == ["hang"]


def test_flags_are_read_in_order():
    faults = read_faults(("stuck:gemini", "drop_after:openai,on=create,times=1"))
    assert [(fault.name, fault.vendor, fault.times) for fault in faults] == [
        ("stuck", Vendor.GEMINI, None),
        ("drop_after", Vendor.OPENAI, 1),
    ]


def test_a_wrong_flag_is_a_configuration_error_that_names_it():
    with pytest.raises(ConfigurationError, match="--fault error_file_id cannot happen to gemini; it can to openai"):
        read_faults(("error_file_id:gemini",))


def test_the_command_tells_of_the_flag():
    text = CliRunner().invoke(command, ["--help"]).output
    assert "--fault NAME[:PROVIDER][,KEY=VALUE...]" in text
