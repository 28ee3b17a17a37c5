import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.tracking.prompt_index import PromptIndex


@given(st.lists(st.binary(min_size=1, max_size=1), max_size=60))
@pytest.mark.parametrize("held", [1, 3, 1000])
def test_the_first_row_of_each_prompt_is_found_in_memory_or_in_the_file(held, digests):
    firsts: dict[bytes, int] = {}
    with PromptIndex(held=held) as index:
        for row, digest in enumerate(digests):
            assert index.first(digest, row) == firsts.setdefault(digest, row)


@pytest.mark.parametrize("held", [1, 10])
def test_a_row_that_comes_again_is_its_own_first(held):
    with PromptIndex(held=held) as index:
        assert [index.first(b"a", 7), index.first(b"a", 7)] == [7, 7]
