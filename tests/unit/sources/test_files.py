import pytest

from batchwright.errors import InputError
from batchwright.sources.files import read_utf8


@pytest.mark.parametrize(("data", "mark"), [(b"a\r\nb", False), (b"\xef\xbb\xbfa\r\nb", True)])
def test_text_comes_without_the_mark_and_with_its_own_line_ends(tmp_path, data, mark):
    path = tmp_path / "file"
    path.write_bytes(data)
    file = read_utf8(path, "the file")
    assert (file.text, file.byte_order_mark) == ("a\r\nb", mark)


def test_only_one_mark_is_taken_off(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbf\xef\xbb\xbfa")
    assert read_utf8(path, "the file").text == "\ufeffa"


def test_the_offset_of_a_bad_byte_counts_the_mark(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbfa\xff")
    with pytest.raises(InputError, match="byte 4 is 0xff"):
        read_utf8(path, "the file")


def test_a_name_no_file_system_takes_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="the file cannot be read"):
        read_utf8(tmp_path / ("x" * 5_000), "the file")
