"""Every fault, at every vendor to whom it can happen."""

import httpx2
import pytest

from batchwright.emulator import FAULTS, Operation, Scope, Vendor, parse_fault

PAIRS = [(name, vendor) for name, kind in FAULTS.items() for vendor in kind.vendors]
WANTED = """
    drop_before drop_after drop_during late_create rate_limit rate_limit_seconds rate_limit_date rate_limit_ms
    rate_limit_info server_error unavailable overloaded body_cut blank_line no_final_newline line_separator
    invalid_json_line shuffled missing_line duplicate_line unknown_line counts_lie error_file_id no_output_file
    all_failed expired cancelled status_jump unknown_status unknown_result_type stuck results_late results_gone
    not_found list_lag token_limit_exceeded too_large credit_exhausted credit_lines cut_answer prose_answer
    fenced_answer trailing_commas wrong_shape empty_answer hang
"""


def test_every_fault_that_is_wanted_is_there():
    assert set(WANTED.split()) <= set(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_described(name):
    kind = FAULTS[name]
    assert kind.says.endswith(".")
    assert kind.vendors
    assert kind.where
    assert "|" not in kind.says, "it goes into a table"
    for parameter in kind.parameters.values():
        assert parameter.says.endswith(".")
        default = list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
        assert parameter.read(default) == parameter.default


@pytest.mark.parametrize(("name", "vendor"), PAIRS)
def test_a_fault_strikes_once_when_told_so_and_everything_works_again(name, vendor, api_of, faults, strikes, clock):
    api = api_of(vendor)
    before = api.made("hello")
    clock.advance(60)
    kind = FAULTS[name]
    if kind.scope is Scope.CALL:
        (fault,) = parse_fault({"name": name, "provider": vendor})
        operation = fault.on[0]
        before = api.made("hello") if operation is Operation.CANCEL else before
        faults(name, vendor, times=1, on=[operation])
        try:
            api.call(operation, before)
        except httpx2.TransportError:
            assert name in {"drop_before", "drop_after", "drop_during", "body_cut", "hang"}
    else:
        faults(name, vendor, times=1)
        try:
            api.create("one", "two")
        except httpx2.TransportError:
            assert name == "late_create"
    assert strikes() == [1]
    after = api.made("hello")
    clock.advance(60)
    ((_key, document),) = api.results(after)
    assert api.answer_in(document)[0] == "hello"
    assert strikes() == [1]


def test_the_fault_is_in_the_log(api_of, faults, log):
    api = api_of(Vendor.OPENAI)
    faults("list_lag", Vendor.OPENAI)
    faults("server_error", Vendor.OPENAI, on="list")
    faults("empty_answer", Vendor.OPENAI, on="live")
    job = api.made("hello")
    api.list()
    api.live()
    noted = [
        {key: value for key, value in entry.items() if key not in {"at", "kind", "provider"}}
        for entry in log(kind="fault")
    ]
    assert noted == [
        {"name": "list_lag", "job": job},
        {"name": "server_error", "operation": "list"},
        {"name": "empty_answer", "operation": "live"},
    ]
