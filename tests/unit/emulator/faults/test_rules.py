import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.emulator import FAULTS, Fault, FaultError, Operation, Vendor, parse_fault, parse_flag
from batchwright.emulator.faults import strikes
from batchwright.emulator.faults.rules import draw


def pattern(count=12, seed=0, **how_often):
    """On which of the first occasions the fault strikes."""
    (fault,) = parse_fault({"name": "stuck", "provider": "openai", **how_often})
    hits = []
    for occasion in range(count):
        if strikes(fault, occasion=occasion, struck=len(hits), seed=seed):
            hits.append(occasion)
    return hits


@pytest.mark.parametrize(
    ("how_often", "hits"),
    [
        ({}, list(range(12))),
        ({"times": 2}, [0, 1]),
        ({"after": 10}, [10, 11]),
        ({"every": 5}, [4, 9]),
        ({"after": 1, "every": 5, "times": 1}, [5]),
        ({"probability": 0}, []),
        ({"probability": 1, "times": 1}, [0]),
    ],
)
def test_a_fault_strikes_as_often_as_it_says(how_often, hits):
    assert pattern(**how_often) == hits


def test_the_seed_decides_what_chance_strikes():
    first = pattern(200, probability=0.3, seed=1)
    assert 30 < len(first) < 90
    assert first == pattern(200, probability=0.3, seed=1) != pattern(200, probability=0.3, seed=2)
    own = {"name": "stuck", "probability": 0.3}
    (fault, *_others) = parse_fault({**own, "seed": 7})
    hits = [strikes(fault, occasion=n, struck=0, seed=1) for n in range(99)]
    assert hits == [strikes(fault, occasion=n, struck=0, seed=2) for n in range(99)]


def test_times_ends_what_chance_strikes():
    assert pattern(200, probability=0.3, times=3) == pattern(200, probability=0.3)[:3]


def test_a_draw_is_even_from_0_to_1():
    draws = [draw(3, "x", n) for n in range(2000)]
    assert all(0 <= number < 1 for number in draws)
    assert 0.47 < sum(draws) / 2000 < 0.53


def test_without_a_provider_a_fault_is_set_wherever_it_can_happen():
    assert [fault.vendor for fault in parse_fault({"name": "drop_before"})] == list(Vendor)
    assert [fault.vendor for fault in parse_fault({"name": "rate_limit_info"})] == [Vendor.GEMINI]
    found = {fault.vendor: fault.on for fault in parse_fault({"name": "too_large"})}
    assert found == {
        Vendor.OPENAI: (Operation.CREATE, Operation.UPLOAD),
        Vendor.ANTHROPIC: (Operation.CREATE,),
        Vendor.GEMINI: (Operation.CREATE, Operation.UPLOAD),
    }


def test_a_flag_says_the_same_as_the_json_form():
    flag = parse_flag("rate_limit_seconds:openai,on=create+get,times=2,after=1,probability=0.5,seed=9,seconds=130")
    form = {"name": "rate_limit_seconds", "provider": "openai", "on": ["get", "create"], "times": 2, "after": 1}
    assert flag == parse_fault({**form, "probability": 0.5, "seed": 9, "seconds": 130})
    (fault,) = parse_flag("invalid_json_line:gemini,positions=0+3")
    assert [fault.chooses(n) for n in range(5)] == [True, False, False, True, False]
    assert parse_flag("hang:gemini,committed=true")[0].switch("committed")


def test_a_share_takes_the_place_of_positions():
    (fault,) = parse_flag("missing_line:openai,share=0.25,seed=4")
    chosen = [n for n in range(400) if fault.chooses(n)]
    assert 60 < len(chosen) < 140
    assert all(parse_flag("missing_line:openai,share=1")[0].chooses(n) for n in range(50))


@pytest.mark.parametrize("name", FAULTS)
def test_the_json_form_reads_back_as_the_same_fault(name):
    for fault in parse_fault({"name": name, "times": 3, "seed": 5}):
        assert parse_fault(json.loads(json.dumps(fault.to_json()))) == (fault,)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("drop_befor", "unknown fault 'drop_befor'; did you mean 'drop_before'"),
        ("zzz", "unknown fault 'zzz'; known: drop_before"),
        ("error_file_id:anthropic", "error_file_id cannot happen to anthropic; it can to openai"),
        ("token_limit_exceeded:gemini", "cannot happen to gemini"),
        ("rate_limit_ms:gemini", "cannot happen to gemini"),
        ("overloaded:openai", "cannot happen to openai; it can to anthropic"),
        ("unknown_result_type:gemini", "cannot happen to gemini"),
        ("stuck:mistral", "unknown provider 'mistral'"),
        ("drop_before:anthropic,on=upload", "anthropic has no upload"),
        ("overloaded,on=upload", "overloaded: anthropic has no upload"),
        ("drop_after,on=list", "drop_after cannot strike 'list'"),
        ("stuck,on=get", "has no 'on'"),
        ("stuck,seconds=3", "stuck has no parameter 'seconds'; known: provider, on, times"),
        ("stuck,fraction=2", "fraction is a number from 0 to 1"),
        ("late_create,seconds=nan", "seconds is a number of seconds"),
        ("late_create,answer=maybe", "answer is one of drop, error"),
        ("hang,committed=yes", "committed is true or false"),
        ("missing_line,positions=a", "positions is a whole number"),
        ("unknown_status,word=", "word is a word"),
        ("stuck,times=0", "times is at least 1"),
        ("stuck,every=0", "every is at least 1"),
        ("stuck,after=-1", "after is a whole number"),
        ("stuck,times", "not 'times'"),
        ("stuck,times=1,times=2", "not 'times=2'"),
        ("stuck:openai,name=hang", "not 'name=hang'"),
        ("", "unknown fault ''"),
    ],
)
def test_what_is_no_fault_is_refused_with_what_it_could_be(flag, message):
    with pytest.raises(FaultError) as caught:
        parse_flag(flag)
    assert message in str(caught.value)


@pytest.mark.parametrize("document", [None, [], "stuck", {}, {"name": 3}, {"name": "stuck", "times": True}])
def test_a_wrong_json_form_is_refused(document):
    with pytest.raises(FaultError):
        parse_fault(document)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(sorted(FAULTS)), st.data())
def test_any_json_at_all_is_a_fault_or_a_fault_error(name, data):
    keys = ["provider", "on", "times", "every", "probability", "after", "seed", *FAULTS[name].parameters]
    document = data.draw(st.dictionaries(st.sampled_from(keys), _json))
    try:
        found = parse_fault({**document, "name": name})
    except FaultError:
        return
    assert found
    assert all(isinstance(fault, Fault) for fault in found)
