import pytest

from batchwright.batch.lifecycle import custom_id, position_of


@pytest.mark.parametrize("position", [0, 7, 99_999])
def test_a_custom_id_leads_back_to_its_position(position):
    assert position_of("job-0-a1", custom_id("job-0-a1", position)) == position


@pytest.mark.parametrize(
    "stranger",
    [
        None,
        "",
        "job-0-a1",
        "job-0-a1-",
        "job-0-a1-x",
        "job-0-a1--1",
        "job-0-a2-1",
        "job-0-a1-٣",
        "7",
        "job-0-a1-" + "9" * 5000,
    ],
)
def test_an_id_of_another_attempt_or_of_nobody_has_no_position(stranger):
    assert position_of("job-0-a1", stranger) is None


def test_a_custom_id_is_within_every_vendors_length():
    assert len(custom_id("job-000000000000-a99", 99_999_999)) <= 64
