import pytest

from batchwright.errors import ConfigurationError, InputError
from batchwright.sources.attachments import Attachments
from batchwright.sources.datasets.base import ReadOptions
from batchwright.sources.datasets.opening import open_dataset
from batchwright.sources.datasets.selection import Selection, Where
from batchwright.sources.datasets.survey import id_of, survey
from batchwright.sources.templates import compile_template, plain_prompt


@pytest.fixture
def numbers(tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_text("n,odd\n" + "".join(f"{n},{'yes' if n % 2 else 'no'}\n" for n in range(1000)))
    return path


def chosen(path, **wishes):
    with open_dataset([path], selection=Selection(**wishes)) as dataset:
        return [int(row.cells["n"]) for row in dataset.rows()]


def test_a_sample_keeps_the_order_and_is_the_same_every_time(numbers):
    sample = chosen(numbers, sample=50, seed=7)
    assert len(sample) == len(set(sample)) == 50
    assert sample == sorted(sample) == chosen(numbers, sample=50, seed=7)
    assert sample != chosen(numbers, sample=50, seed=8)
    assert chosen(numbers, sample=5000) == list(range(1000))


def test_a_sample_is_taken_from_everywhere(numbers):
    means = [sum(chosen(numbers, sample=100, seed=seed)) / 100 for seed in range(20)]
    assert 450 < sum(means) / 20 < 550


def test_where_comes_first_then_the_sample_then_the_limit(numbers):
    odd = chosen(numbers, where=[Where.parse("odd=yes")])
    assert odd == list(range(1, 1000, 2))
    sample = chosen(numbers, where=[Where.parse("odd=yes")], sample=30)
    assert set(sample) < set(odd)
    assert chosen(numbers, where=[Where.parse("odd=yes")], sample=30, limit=4) == sample[:4]
    assert chosen(numbers, where=[Where.parse("odd=yes"), Where.parse("n=5")]) == [5]
    assert chosen(numbers, where=[Where.parse("odd=yes"), Where.parse("n=6")]) == []


def test_where_compares_what_a_person_sees(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"n": 1, "a": true}\n{"n": 2, "a": null}\n{"n": 3}\n{"n": 4, "a": 4}\n')
    assert [chosen(path, where=[Where.parse(wish)]) for wish in ("a=true", "a=", "a=4", "n=3")] == [[1], [2], [4], [3]]


def test_where_about_a_column_that_no_row_has_is_refused(numbers):
    with pytest.raises(InputError, match="no row has a column nn; there are: n, odd"):
        chosen(numbers, where=[Where.parse("nn=1")])


@pytest.mark.parametrize("wish", ["odd", "=yes", ""])
def test_a_wish_of_another_form_is_refused(wish):
    with pytest.raises(ConfigurationError, match="column=value"):
        Where.parse(wish)


@pytest.mark.parametrize("wishes", [{"limit": 0}, {"sample": -1}])
def test_numbers_below_one_are_refused(wishes):
    with pytest.raises(ConfigurationError, match="1 or more"):
        Selection(**wishes)


def test_a_limit_reads_no_further(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("n,odd\n1,yes\n2\n")
    assert chosen(path, limit=1) == [1]


def test_a_survey_counts_rows_columns_and_characters(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"prompt": "one"}\nnot JSON\n{"prompt": "three", "b": 1}\n')
    with open_dataset([path], options=ReadOptions(skip_bad_rows=True)) as dataset:
        found = survey(dataset, prompt=plain_prompt)
    assert (found.rows, found.columns, found.characters, found.longest, found.bad_rows) == (2, ("prompt", "b"), 8, 5, 1)


def test_a_survey_finds_a_missing_column_before_anything_is_sent(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "a"}\n' * 500 + '{"txt": "b"}\n')
    with open_dataset([path]) as dataset, pytest.raises(InputError) as caught:
        survey(dataset, prompt=compile_template("Say {text}"))
    assert str(caught.value).startswith(f"Template variable not found: text ({path}, line 501; its columns are: txt")


def test_a_survey_refuses_an_empty_prompt(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("prompt,b\nx,1\n ,2\n")
    with open_dataset([path]) as dataset, pytest.raises(InputError, match="line 3: the prompt is empty"):
        survey(dataset, prompt=plain_prompt)


def test_a_survey_finds_an_id_that_is_there_twice(numbers):
    with open_dataset([numbers]) as dataset:
        assert survey(dataset, ids="n").rows == 1000
        with pytest.raises(InputError, match=r"line 4: the id 'no' in column 'odd' is also in .*line 2"):
            survey(dataset, ids="odd")


def test_a_survey_refuses_an_id_that_is_not_there(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("id,b\n1,1\n,2\n")
    with open_dataset([path]) as dataset:
        with pytest.raises(InputError, match="line 3: the id in column 'id' is empty"):
            survey(dataset, ids="id")
        with pytest.raises(InputError, match="line 2: no column 'key' for --id-column; there are: id, b"):
            survey(dataset, ids="key")


def test_an_id_is_text_without_blanks_around_it(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"id": 7}\n{"id": " x "}\n')
    with open_dataset([path]) as dataset:
        assert [id_of(row, "id") for row in dataset.rows()] == ["7", "x"]


def test_a_survey_looks_at_attachments(tmp_path):
    path = tmp_path / "in.csv"
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    path.write_text("file\na.pdf\nb.pdf\n")
    with (
        open_dataset([path]) as dataset,
        pytest.raises(InputError, match=r"line 3: the attachment does not exist: b\.pdf"),
    ):
        survey(dataset, checks=[Attachments(column="file").check])
