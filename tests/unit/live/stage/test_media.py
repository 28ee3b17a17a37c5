import io
from base64 import b64encode

import pytest
from PIL import Image

from batchwright.errors import InputError
from batchwright.live.stage.media import media_type_of, read_media
from batchwright.request import DocumentPart, ImagePart


def encoded(kind, mode="RGB"):
    out = io.BytesIO()
    Image.new(mode, (3, 2), 1).save(out, format=kind)
    return out.getvalue()


PNG = encoded("PNG")
PDF = b"%PDF-1.7\n..."
SENT_AS_THEY_ARE = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}

ORIENTATION = 0x0112


@pytest.mark.parametrize(("kind", "media_type"), SENT_AS_THEY_ARE.items())
def test_what_vendors_take_is_told_by_its_bytes_and_sent_as_it_is(kind, media_type, tmp_path):
    data = encoded(kind)
    misnamed = tmp_path / "page.dat"
    misnamed.write_bytes(data)
    assert media_type_of(data) == media_type
    for source in (data, bytearray(data), memoryview(data), misnamed, str(misnamed), io.BytesIO(data)):
        assert read_media(source) == ImagePart(data=data, media_type=media_type)


def test_a_pdf_is_a_document_that_keeps_its_name(tmp_path):
    path = tmp_path / "book.pdf"
    path.write_bytes(PDF)
    assert read_media(path) == DocumentPart(data=PDF, media_type="application/pdf", filename="book.pdf")
    assert read_media(PDF).filename == "document.pdf"


def test_a_data_url_is_read_and_its_bytes_are_believed_rather_than_its_words():
    url = f"data:image/jpeg;base64,{b64encode(PNG).decode()}"
    assert read_media(url) == ImagePart(data=PNG, media_type="image/png")
    percent = "".join(f"%{byte:02x}" for byte in PNG)
    assert read_media(f"DATA:,{percent}").data == PNG


@pytest.mark.parametrize("kind", ["TIFF", "BMP"])
def test_a_format_that_no_vendor_takes_becomes_png(kind, tmp_path):
    path = tmp_path / "scan"
    path.write_bytes(encoded(kind))
    part = read_media(path)
    assert part.media_type == "image/png"
    with Image.open(io.BytesIO(part.data)) as image:
        assert image.size == (3, 2)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "F", "HSV"])
def test_a_pillow_image_of_any_mode_becomes_png_without_loss(mode):
    image = Image.new(mode, (3, 2), 1)
    part = read_media(image)
    assert part.media_type == "image/png"
    with Image.open(io.BytesIO(part.data)) as sent:
        assert sent.convert("RGB").tobytes() == image.convert("RGB").tobytes()


def test_a_picture_of_whole_numbers_keeps_the_sixteen_bits_that_png_has():
    part = read_media(Image.new("I", (3, 2), 40_000))
    with Image.open(io.BytesIO(part.data)) as sent:
        assert sent.getpixel((0, 0)) == 40_000


def test_a_photo_that_is_to_be_turned_is_still_to_be_turned():
    picture = Image.new("RGB", (20, 10))
    picture.getexif()[ORIENTATION] = 6
    file = io.BytesIO()
    picture.save(file, format="JPEG", exif=picture.getexif())
    with Image.open(file) as photo:
        part = read_media(photo)
    with Image.open(io.BytesIO(part.data)) as sent:
        assert sent.getexif()[ORIENTATION] == 6


def test_a_file_of_several_pages_is_refused_rather_than_sent_in_part(tmp_path):
    pages = [Image.new("L", (4, 4), shade) for shade in (0, 100, 200)]
    pages[0].save(tmp_path / "scan.tiff", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match=r"scan.tiff has 3 pages.*one by one"):
        read_media(tmp_path / "scan.tiff")
    with Image.open(tmp_path / "scan.tiff") as scan:
        scan.seek(2)
        assert Image.open(io.BytesIO(read_media(scan).data)).getpixel((0, 0)) == 200


def test_a_pillow_image_that_came_as_jpeg_stays_one():
    with Image.open(io.BytesIO(encoded("JPEG"))) as image:
        assert read_media(image).media_type == "image/jpeg"


def test_a_part_that_is_ready_is_taken_as_it_is():
    part = ImagePart(data=b"anything", media_type="image/heic")
    assert read_media(part) is part


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (b"", "is empty"),
        (b"just text", "no picture and no PDF"),
        ("no/such/page.png", "page.png cannot be read: No such file"),
        ("https://example.org/page.png", "load it first"),
        ("x" * 5000, "…xxx"),
        ("a\0b", "cannot be read"),
        ("data:image/png;base64", "no comma"),
        ("data:image/png;base64,!!!!", "not base64"),
        (7, "not builtins.int"),
        (io.StringIO("text"), "not _io.StringIO"),
    ],
)
def test_what_is_no_picture_is_said_to_be_none(source, said):
    with pytest.raises(InputError, match=said):
        read_media(source)
