import pytest

from batchwright.batch.sending.planner import Fill, JobsPer, batch_at, belongs_in, extended
from batchwright.job import BatchRef
from batchwright.providers.base import Limits

KEY = ("Geography", "a.md")
LIMITS = Limits(max_requests=3, max_bytes=100)


@pytest.mark.parametrize(
    ("fill", "jobs_per", "expected"),
    [
        (Fill(), JobsPer.BATCH, True),
        (Fill(requests=1, size_bytes=10, last_document=KEY), JobsPer.BATCH, False),
        (Fill(requests=1, size_bytes=10, last_document=KEY), JobsPer.DOCUMENT, True),
        (Fill(requests=1, size_bytes=10, last_document=("French", "b.md")), JobsPer.DOCUMENT, False),
        (Fill(requests=1, size_bytes=10, last_document=("French", "b.md")), JobsPer.RUN, True),
        (Fill(requests=2, size_bytes=10, last_document=KEY), JobsPer.RUN, True),
        (Fill(requests=3, size_bytes=10, last_document=KEY), JobsPer.RUN, False),
        (Fill(requests=1, size_bytes=90, last_document=KEY), JobsPer.RUN, True),
        (Fill(requests=1, size_bytes=91, last_document=KEY), JobsPer.RUN, False),
    ],
)
def test_a_request_joins_a_job_within_its_limits_and_wishes(fill, jobs_per, expected):
    assert belongs_in(fill, document=KEY, size_bytes=10, jobs_per=jobs_per, limits=LIMITS) is expected


def single(item, document="rows.csv", digest=""):
    return BatchRef(group="", document=document, index=item, item_ids=(item,), digest=digest, per_item=True)


def test_single_items_that_meet_become_one_run():
    first = extended([], single(0)) or single(0)
    run = extended([first], single(1))
    assert run is not None
    assert run.item_ids == range(2)
    assert run.request_count == 2


@pytest.mark.parametrize("batch", [single(5), single(1, "other.csv")])
def test_items_with_a_gap_or_of_another_document_stay_apart(batch):
    assert extended([single(0)], batch) is None


@pytest.mark.parametrize(("first", "second"), [("", "d1"), ("d0", ""), ("d0", "d1")])
def test_items_with_a_digest_stay_apart(first, second):
    assert extended([single(0, digest=first)], single(1, digest=second)) is None


def test_document_batches_are_never_joined():
    batches = [BatchRef(group="g", document="d", index=n, item_ids=(n,)) for n in range(2)]
    assert extended(batches[:1], batches[1]) is None


def test_each_position_has_its_batch():
    batches = [
        BatchRef(group="g", document="d", index=0, item_ids=(0, 1)),
        BatchRef(group="g", document="r", index=0, item_ids=range(3), per_item=True),
    ]
    assert [batch_at(batches, position).document for position in range(4)] == ["d", "r", "r", "r"]
    with pytest.raises(IndexError, match="4"):
        batch_at(batches, 4)
