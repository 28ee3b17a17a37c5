import stat

import pytest

from batchwright.tracking.durable import make_folder, replace_durably, replacing


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    path, temporary = tmp_path / "a.json", tmp_path / "a.json.part"
    with replacing(path, temporary) as file:
        file.write(b"whole")
        file.flush()
        assert temporary.read_bytes() == b"whole"
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert not temporary.exists()


def test_whatever_is_raised_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with replacing(path, tmp_path / "a.json.part") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [(item.name, item.read_bytes()) for item in tmp_path.iterdir()] == [("a.json", b"old")]


def test_a_name_that_cannot_be_replaced_leaves_no_temp_file(tmp_path):
    path = tmp_path / "a.json"
    (path / "inner").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        replace_durably(path, [b"new"])
    assert [item.name for item in tmp_path.iterdir()] == ["a.json"]


def test_a_temp_file_left_behind_is_replaced_even_if_it_cannot_be_written(tmp_path):
    path, temporary = tmp_path / "a.json", tmp_path / ".a.json.tmp"
    temporary.write_bytes(b"left by a killed process")
    temporary.chmod(0o400)
    replace_durably(path, [b"ne", b"w"])
    assert path.read_bytes() == b"new"
    assert not temporary.exists()


def test_a_link_in_place_of_the_temp_file_is_not_followed(tmp_path):
    path, elsewhere = tmp_path / "a.json", tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    (tmp_path / ".a.json.tmp").symlink_to(elsewhere)
    replace_durably(path, [b"new"])
    assert (path.read_bytes(), elsewhere.read_bytes()) == (b"new", b"precious")


def test_permissions_of_the_old_file_stay(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    path.chmod(0o604)
    replace_durably(path, [b"new"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_a_folder_is_made_with_its_parents_once(tmp_path):
    assert make_folder(tmp_path / "a" / "b")
    assert not make_folder(tmp_path / "a" / "b")


def test_a_file_in_a_folders_place_is_an_error(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(OSError, match="exists"):
        make_folder(tmp_path / "a")
