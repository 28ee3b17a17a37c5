import base64
import os

import pytest

from batchwright.errors import InputError
from batchwright.request import DocumentPart, ImagePart
from batchwright.sources import attachments
from batchwright.sources.attachments import Attachments, media_type
from batchwright.sources.datasets.base import Row

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
PDF = b"%PDF-1.7 ..."


@pytest.fixture
def row(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "b.pdf").write_bytes(PDF)
    (tmp_path / "c.png").write_bytes(b"hello, no image")
    return lambda value: Row({"file": value}, 3, str(tmp_path / "in.csv"))


URL = "data:application/pdf;base64," + base64.b64encode(PDF).decode()


@pytest.mark.parametrize("value", ["a.png; b.pdf", ["a.png", "b.pdf"], "a.png\nb.pdf", ["a.png", URL]])
def test_files_are_found_beside_the_dataset(row, value):
    image, document = Attachments(column="file").of(row(value))
    assert image == ImagePart(data=PNG, media_type="image/png")
    assert isinstance(document, DocumentPart)
    assert (document.data, document.media_type) == (PDF, "application/pdf")


def test_a_data_url_alone_may_hold_semicolons(row):
    url = "data:image/png;charset=x;base64," + base64.b64encode(PNG).decode()
    Attachments(column="file").check(row(url))
    assert Attachments(column="file").of(row(url)) == (ImagePart(data=PNG, media_type="image/png"),)


@pytest.mark.parametrize("value", ["", "  ", None, []])
def test_an_empty_cell_has_no_attachment(row, value):
    assert Attachments(column="file").of(row(value)) == ()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("no.png", "line 3: the attachment does not exist: no.png"),
        ("c.png", "line 3: c.png is no PNG"),
        ("https://example.org/a.png", "line 3: https://example.org/a.png is an address"),
        (".", "line 3: the attachment . cannot be read"),
        ("data:image/png;base64,@@@", "is no data URL"),
        ("data:image/png;base64,aGVsbG8=", "is no PNG"),
    ],
)
def test_what_cannot_be_attached_is_named_with_its_line(row, value, says):
    for look in (Attachments(column="file").check, Attachments(column="file").of):
        with pytest.raises(InputError) as caught:
            look(row(value))
        assert says in str(caught.value)


@pytest.mark.parametrize(
    "value", ["/dev/zero", "folder", "pipe", "x\0y.png", "a" * 5000, "/" * 300 + "\0", "~nobody/x.png", "\udcff.png"]
)
def test_what_is_no_file_is_refused_and_neither_waited_for_nor_read_without_end(row, tmp_path, value):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for look in (Attachments(column="file").check, Attachments(column="file").of):
        name = str(tmp_path / value) if value in {"folder", "pipe"} else value
        with pytest.raises(InputError, match="line 3: the attachment ") as caught:
            look(row(name))
        assert len(str(caught.value)) < 500


def test_a_file_that_grows_while_it_is_read_is_not_read_beyond_the_limit(row, monkeypatch):
    monkeypatch.setattr(attachments, "LARGEST", len(PNG))
    monkeypatch.setattr(attachments.Path, "stat", lambda self, **_: os.stat_result([0o100644, *[0] * 9]))
    Attachments(column="file").of(row("a.png"))
    monkeypatch.setattr(attachments, "LARGEST", len(PNG) - 1)
    with pytest.raises(InputError, match="has more than"):
        Attachments(column="file").of(row("a.png"))


def test_an_unknown_column_is_named(row):
    with pytest.raises(InputError, match="no column 'files'; its columns are: file"):
        Attachments(column="files").of(row("a.png"))


def test_what_no_model_takes_is_not_even_read(row, monkeypatch):
    monkeypatch.setattr(attachments, "LARGEST", 10)
    with pytest.raises(InputError, match="more than"):
        Attachments(column="file").check(row("a.png"))


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (PDF, "application/pdf"),
    ],
)
def test_the_first_bytes_say_what_a_file_is(beginning, kind):
    assert media_type(beginning, "x") == kind
