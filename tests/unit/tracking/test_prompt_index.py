from batchwright.tracking.prompt_index import PromptIndex


def test_the_first_row_of_each_prompt_is_found():
    with PromptIndex() as index:
        assert [index.first(digest, row) for row, digest in enumerate([b"a", b"b", b"a", b"c", b"b"])] == [
            0,
            1,
            0,
            3,
            1,
        ]


def test_a_row_that_comes_again_is_its_own_first():
    with PromptIndex() as index:
        assert [index.first(b"a", 7), index.first(b"a", 7)] == [7, 7]
