import os
import stat

import pytest

from vibeusage import errors, files


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277])
def test_files_and_folders_are_private_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        files.write_private(tmp_path / "a" / "b" / "c.json", b"x")
    finally:
        os.umask(before)
    assert [mode(tmp_path / name) for name in ("a", "a/b", "a/b/c.json")] == [0o700, 0o700, 0o600]


def test_a_symlink_is_replaced_and_its_target_left_alone(tmp_path):
    canary = tmp_path / "canary"
    canary.write_text("mine")
    (tmp_path / "cache.json").symlink_to(canary)
    files.write_private(tmp_path / "cache.json", b"new")
    assert canary.read_text() == "mine"
    assert not (tmp_path / "cache.json").is_symlink()


def test_a_folder_that_is_a_symlink_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "cache").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(errors.StorageError, match="is a symbolic link"):
        files.write_private(tmp_path / "cache" / "x", b"data")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_that_cannot_be_looked_at_is_told_as_one_that_cannot_be_made(tmp_path):
    with pytest.raises(errors.StorageError, match="cannot be made: File name too long"):
        files.write_private(tmp_path / ("x" * 300) / "y", b"data")


def test_a_users_own_file_keeps_its_rights_and_its_symlink(tmp_path):
    real = tmp_path / "dotfiles" / "rc"
    real.parent.mkdir()
    real.write_text("old")
    real.chmod(0o640)
    (tmp_path / ".rc").symlink_to(real)
    files.write_through(tmp_path / ".rc", b"new")
    assert ((tmp_path / ".rc").is_symlink(), real.read_text(), mode(real)) == (True, "new", 0o640)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["FIFO", "folder"])
def test_what_is_no_regular_file_is_not_read(tmp_path, make):
    make(tmp_path / "odd")
    assert files.read_regular(tmp_path / "odd") is None


def test_a_link_and_a_flood_are_not_read(tmp_path):
    (tmp_path / "big").write_bytes(b"x" * 11)
    (tmp_path / "link").symlink_to(tmp_path / "big")
    assert files.read_regular(tmp_path / "link") is None
    assert files.read_regular(tmp_path / "big", limit=10) is None
    assert files.read_regular(tmp_path / "big", limit=11) == b"x" * 11


def test_the_lock_is_held_by_one_and_its_file_stays(tmp_path):
    with files.lock(tmp_path / "l", wait_s=0) as first, files.lock(tmp_path / "l", wait_s=0) as second:
        assert (first, second) == (True, False)
    with files.lock(tmp_path / "l", wait_s=0) as third:
        assert third
    assert mode(tmp_path / "l") == 0o600


def test_only_our_old_leftovers_are_swept(tmp_path):
    names = ["a.json" + files.TEMP_MARK + "1.1", "young" + files.TEMP_MARK + "2.2", "a.json", "other.tmp"]
    for name in names:
        (tmp_path / name).write_text("x")
    for name in (names[0], names[2], names[3]):
        os.utime(tmp_path / name, (0, 0))
    files.sweep(tmp_path, now=(tmp_path / names[1]).stat().st_mtime + 10)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(names[1:])
