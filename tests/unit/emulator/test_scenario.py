import pytest

from batchwright.emulator import Responder, Scenario, ScenarioError, Vendor


def test_the_json_form_reads_back_as_the_same_scenario():
    scenario = Scenario.parse({"fail_every": 3, "providers": {"gemini": {"responder": "echo"}}, "log_bodies": False})
    assert Scenario.parse(scenario.to_json()) == scenario


def test_shared_settings_reach_every_vendor_and_own_settings_win():
    scenario = Scenario.parse({"in_progress_s": 5, "providers": {"openai": {"in_progress_s": 7}}})
    assert [scenario.of(v).in_progress_s for v in Vendor] == [7, 5, 5]


def test_a_patch_keeps_what_it_does_not_name():
    scenario = Scenario.everywhere(shuffle=True).patched({"providers": {"gemini": {"limits": {"max_requests": 2}}}})
    assert scenario.gemini.shuffle
    assert scenario.gemini.limits.max_requests == 2
    assert scenario.gemini.limits.max_active_jobs == 100


def test_the_vendors_own_limits_are_the_default():
    scenario = Scenario()
    assert scenario.openai.limits.max_requests == 50_000
    assert scenario.openai.limits.max_input_bytes == 200_000_000
    assert scenario.anthropic.limits.max_requests == 100_000
    assert scenario.anthropic.limits.max_input_bytes == 256_000_000
    assert scenario.gemini.limits.max_inline_bytes == 20_000_000
    assert scenario.gemini.limits.window_s == 48 * 3600


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "a scenario is a JSON object"),
        ({"in_progres_s": 1}, "in_progres_s"),
        ({"in_progress_s": -1}, "in_progress_s"),
        ({"in_progress_s": float("nan")}, "in_progress_s"),
        ({"providers": {"mistral": {}}}, "unknown provider 'mistral'"),
        ({"providers": {"openai": 3}}, "object of objects"),
        ({"providers": {"openai": {"limits": {"max_lines": 3}}}}, "limits.max_lines"),
        ({"limits": 3}, "limits"),
        ({"log_bodies": "no"}, "log_bodies"),
        ({"polls_until_done": 0}, "polls_until_done"),
        ({"responder": "oracle"}, "responder"),
    ],
)
def test_a_wrong_document_is_refused_and_the_setting_named(document, message):
    with pytest.raises(ScenarioError, match=message):
        Scenario.parse(document)


def test_failures_are_every_kth_request_and_the_named_positions():
    settings = Scenario.everywhere(fail_every=3, fail_positions=[0]).openai
    assert [n for n in range(8) if settings.fails(n)] == [0, 2, 5]
    assert not any(Scenario().openai.fails(n) for n in range(8))


def test_shuffling_is_a_permutation_that_the_seed_decides():
    def order(seed):
        return list(Scenario.everywhere(shuffle=True, seed=seed).openai.order(50))

    assert sorted(order(1)) == list(range(50))
    assert order(1) == order(1) != order(2)
    assert list(Scenario().openai.order(3)) == [0, 1, 2]


def test_the_responder_is_read_by_name():
    assert Scenario.everywhere(responder="schema").gemini.responder is Responder.SCHEMA
