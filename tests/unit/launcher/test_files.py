import os
import stat
from pathlib import Path

import pytest

from openclaude.launcher.files import StateError, private_dir, read_private, write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_new_folder_is_closed_to_everyone_else(tmp_path: Path) -> None:
    folder = private_dir(tmp_path / "missing" / "state")

    assert folder.is_dir()
    assert mode(folder) == 0o700


def test_a_folder_of_ours_that_is_open_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(0o755)

    private_dir(folder)

    assert mode(folder) == 0o700


def test_making_a_folder_twice_keeps_what_is_in_it(tmp_path: Path) -> None:
    write_private(private_dir(tmp_path / "state") / "file", b"kept")

    private_dir(tmp_path / "state")

    assert read_private(tmp_path / "state" / "file") == b"kept"


def test_a_link_to_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o755)
    (tmp_path / "state").symlink_to(tmp_path / "real")

    with pytest.raises(StateError, match="is a symbolic link") as caught:
        private_dir(tmp_path / "state")

    assert caught.value.path == tmp_path / "state"
    assert caught.value.hint == "use a real folder; OPENCLAUDE_HOME can name it"
    assert mode(tmp_path / "real") == 0o755


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("mine")

    with pytest.raises(StateError, match="is not a folder"):
        private_dir(tmp_path / "state")


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(StateError, match="cannot be made"):
        private_dir(tmp_path / "file" / "below" / "state")


def test_a_written_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o777)
    try:
        write_private(tmp_path / "file", b"data")
    finally:
        os.umask(before)

    assert mode(tmp_path / "file") == 0o600
    assert read_private(tmp_path / "file") == b"data"


def test_writing_replaces_the_content_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_private(tmp_path / "file", b"old and longer")
    reader = (tmp_path / "file").open("rb")

    write_private(tmp_path / "file", b"new")

    with reader:
        assert reader.read() == b"old and longer"
    assert read_private(tmp_path / "file") == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("plant", ["link", "dangling link", "folder", "pipe"])
def test_what_somebody_planted_is_refused_and_left_alone(tmp_path: Path, plant: str) -> None:
    victim, path = tmp_path / "victim", tmp_path / "file"
    victim.write_bytes(b"untouched")
    match plant:
        case "link":
            path.symlink_to(victim)
        case "dangling link":
            path.symlink_to(tmp_path / "nowhere")
        case "folder":
            path.mkdir()
        case _:
            os.mkfifo(path)
    planted = path.lstat()

    with pytest.raises(StateError, match=r"is a symbolic link|is not a regular file") as caught:
        write_private(path, b"secret")
    with pytest.raises(StateError, match=r"is a symbolic link|is not a regular file"):
        read_private(path)

    assert caught.value.hint == "remove it, or set OPENCLAUDE_HOME to a folder of your own"
    assert path.lstat().st_ino == planted.st_ino
    assert victim.read_bytes() == b"untouched"
    assert not (tmp_path / "nowhere").exists()


def foreign(tmp_path: Path) -> tuple[Path, Path]:
    """A file and a folder of another user: root gives two away, anyone else takes two of root's."""
    if os.geteuid() != 0:
        return Path("/etc/hosts"), Path("/usr")
    file, folder = tmp_path / "file", tmp_path / "folder"
    write_private(file, b"theirs")
    folder.mkdir(mode=0o700)
    os.chown(file, 12345, -1)
    os.chown(folder, 12345, -1)
    return file, folder


def test_what_belongs_to_another_user_is_refused(tmp_path: Path) -> None:
    file, folder = foreign(tmp_path)

    with pytest.raises(StateError, match=r"belongs to another user \(uid \d+\)"):
        read_private(file)
    with pytest.raises(StateError, match=r"belongs to another user \(uid \d+\)"):
        write_private(file, b"ours")
    with pytest.raises(StateError, match=r"belongs to another user \(uid \d+\)"):
        private_dir(folder)


def test_a_missing_file_reads_as_none(tmp_path: Path) -> None:
    assert read_private(tmp_path / "file") is None


@pytest.mark.parametrize("loose", [0o640, 0o604, 0o620, 0o602], ids=oct)
def test_a_file_others_may_touch_is_refused_with_the_remedy(tmp_path: Path, loose: int) -> None:
    path = tmp_path / "file"
    write_private(path, b"data")
    path.chmod(loose)

    with pytest.raises(StateError, match="can be read or written by other users") as caught:
        read_private(path)

    assert caught.value.hint == f"chmod 600 {path}"


def test_a_file_in_a_missing_folder_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"missing/file: cannot be written: No such file") as caught:
        write_private(tmp_path / "missing" / "file", b"data")

    assert caught.value.hint == "check the folder's permissions and the free space"


def test_a_path_through_a_file_can_neither_be_read_nor_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(StateError, match="cannot be looked at"):
        read_private(tmp_path / "file" / "below")
    with pytest.raises(StateError, match="cannot be looked at"):
        write_private(tmp_path / "file" / "below", b"data")
