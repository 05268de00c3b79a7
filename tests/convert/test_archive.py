"""Archives that are safe to unpack, and bytes that don't change."""

import errno
import os
import pathlib
import random
import stat
import struct
import subprocess
import sys
import zipfile

import pytest

from bert_wwm.convert import archive
from bert_wwm.core.errors import CheckpointError, DataError

FILES = {
    "bert_model.ckpt.index": b"index",
    "bert_model.ckpt.data-00000-of-00001": bytes(range(256)) * 40,
    "bert_config.json": b"{}",
    "vocab.txt": "[PAD]\n的\n".encode(),
}


@pytest.fixture
def source(tmp_path):
    """A folder with the files of a model."""
    folder = tmp_path / "source"
    folder.mkdir()
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def zip_file(tmp_path, source):
    path = tmp_path / "model.zip"
    archive.write(str(path), {name: str(source / name) for name in FILES})
    return path


def _zip(path, members):
    """Writes an archive of (name or ZipInfo, data) as they are, warnings off."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as stream:
        for name, data in members:
            stream.writestr(name, data)
    return str(path)


def _special(name, mode):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def _left(folder):
    return sorted(path.name for path in folder.iterdir())


def _unpack(path):
    """Returns the files that an archive unpacks to, by name."""
    with archive.unpacked(str(path)) as folder:
        return {
            str(file.relative_to(folder)): file.read_bytes()
            for file in pathlib.Path(folder).rglob("*")
            if file.is_file() and not file.is_symlink()
        }


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder of temporary files, in which nothing may stay."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert not _left(folder)


def test_what_is_written_is_unpacked(zip_file, temporary):
    assert _unpack(zip_file) == FILES


def test_folders_within(tmp_path):
    path = _zip(tmp_path / "a.zip", [("publish/", b""), ("publish/vocab.txt", b"x")])
    assert _unpack(path) == {"publish/vocab.txt": b"x"}


@pytest.mark.parametrize(
    "name",
    [
        "../../trap",
        "a/../../../trap",
        "a\\..\\trap",
        "/trap",
        "\\\\server\\trap",
        "C:\\trap",
        "c:trap",
        "a//trap",
        "./trap",
        "trap\0x",
    ],
)
def test_no_name_leads_out_of_the_folder(tmp_path, temporary, name):
    path = _zip(tmp_path / "a.zip", [("good.txt", b"x"), (name.replace("\0", "?"), b"x")])
    data = pathlib.Path(path).read_bytes()
    pathlib.Path(path).write_bytes(data.replace(b"trap?x", b"trap\0x"))
    found = _unpack(path)
    assert len(found) == 2 and found["good.txt"] == b"x"
    assert not list(tmp_path.rglob("*trap*"))


@pytest.mark.parametrize("encoding", ["gbk", "utf-8", "cp437"])
def test_names_without_the_mark_of_utf_8(tmp_path, temporary, encoding):
    class Unmarked(zipfile.ZipInfo):
        def _encodeFilenameFlags(self):
            return self.filename.encode(encoding), self.flag_bits

    name = "é/vocab.txt" if encoding == "cp437" else "誠/模型/vocab.txt"  # GBK's has a backslash
    path = _zip(tmp_path / "a.zip", [(Unmarked(name), b"x")])
    assert archive.names_in(path) == [name]
    assert _unpack(path) == {name: b"x"}


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644, stat.S_IFCHR | 0o644])
def test_a_link_or_a_device_becomes_a_plain_file(tmp_path, temporary, mode):
    path = _zip(tmp_path / "a.zip", [(_special("vocab.txt", mode), b"/etc/passwd")])
    assert _unpack(path) == {"vocab.txt": b"/etc/passwd"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "members",
    [
        [("a", b"x"), ("a/b", b"x")],
        [("a/b", b"x"), ("a", b"x")],
        [("a", b"x"), ("a/", b"")],
        [("a" * 300, b"x")],
    ],
)
def test_names_that_no_folder_holds_are_refused(tmp_path, temporary, members):
    path = _zip(tmp_path / "a.zip", members)
    with pytest.raises(DataError, match="broken archive"):
        _unpack(path)


def test_folders_without_an_end_are_refused(tmp_path, temporary):
    path = _zip(tmp_path / "a.zip", [("a/" * 1000, b"")])
    with pytest.raises(DataError, match="holds a name of more than 1,024 characters"):
        _unpack(path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, temporary):
    path = _zip(tmp_path / "a.zip", [(f"{i}", bytes(1 << 24)) for i in range(5)])
    with pytest.raises(DataError, match=r"would unpack from .* to 83,886,080 bytes"):
        _unpack(path)


def test_more_bytes_than_the_header_tells_are_refused(tmp_path, temporary):
    path = tmp_path / "a.zip"
    _zip(path, [("vocab.txt", bytes(50_000))])
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", 50_000), struct.pack("<I", 10)))
    with pytest.raises(DataError):
        _unpack(path)


def test_an_encrypted_archive_is_refused(zip_file, temporary):
    data = zip_file.read_bytes()
    for magic, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        place = data.index(magic) + offset
        data = data[:place] + bytes([data[place] | 1]) + data[place + 1 :]
    zip_file.write_bytes(data)
    with pytest.raises(DataError, match="is encrypted"):
        _unpack(zip_file)


def test_an_unknown_method_is_refused(zip_file, temporary):
    data = bytearray(zip_file.read_bytes())
    start = data.index(b"PK\x01\x02") + 10
    data[start : start + 2] = struct.pack("<H", 9)  # Deflate64, of large files on Windows
    zip_file.write_bytes(data)
    with pytest.raises(DataError, match="compression method is not supported"):
        _unpack(zip_file)


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_archive_is_refused(tmp_path, temporary, data):
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.zip: broken archive"):
        _unpack(tmp_path / "a.zip")


def test_a_missing_archive_is_refused(tmp_path, temporary):
    with pytest.raises(DataError, match="no such file"):
        _unpack(tmp_path / "a.zip")


def test_broken_bytes_are_refused_and_leave_nothing(tmp_path, zip_file, temporary):
    whole = zip_file.read_bytes()
    rng = random.Random(1)
    refused = 0
    for _ in range(400):
        data = bytearray(whole)
        if rng.random() < 0.3:
            data = data[: rng.randrange(len(data))]
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(max(len(data), 1)) % max(len(data), 1)] ^= 1 << rng.randrange(8)
        zip_file.write_bytes(data)
        try:
            found = _unpack(zip_file)
        except DataError:
            refused += 1
        else:  # names and times are under no sum
            assert set(found.values()) <= set(FILES.values())
    assert refused > 200


def test_the_same_bytes_from_other_folders_times_and_processes(tmp_path, zip_file, source):
    other = tmp_path / "other"
    other.mkdir()
    for name in reversed(list(FILES)):
        (other / name).write_bytes(FILES[name])
        os.chmod(other / name, 0o600)
        os.utime(other / name, (1, 1))
    code = (
        "import sys; from bert_wwm.convert import archive; "
        "archive.write(sys.argv[1], dict(a.split('=') for a in sys.argv[2:]))"
    )
    path = tmp_path / "elsewhere" / "other.zip"
    pairs = [f"{name}={other / name}" for name in reversed(list(FILES))]
    subprocess.run([sys.executable, "-c", code, str(path), *pairs], check=True)
    assert path.read_bytes() == zip_file.read_bytes()


def test_members_are_in_order_of_1980_and_for_all_to_read(zip_file):
    with zipfile.ZipFile(zip_file) as stream:
        members = stream.infolist()
        assert stream.testzip() is None
    assert [member.filename for member in members] == sorted(FILES)
    assert {member.date_time for member in members} == {(1980, 1, 1, 0, 0, 0)}
    assert {member.external_attr >> 16 for member in members} == {0o100644}
    assert {member.compress_type for member in members} == {zipfile.ZIP_DEFLATED}


def test_a_large_member_is_written_as_zip64(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    (tmp_path / "data").write_bytes(os.urandom(5000))
    archive.write(str(tmp_path / "a.zip"), {"data": str(tmp_path / "data")})
    with zipfile.ZipFile(tmp_path / "a.zip") as stream:
        assert stream.getinfo("data").extract_version == zipfile.ZIP64_VERSION
        assert stream.read("data") == (tmp_path / "data").read_bytes()


def test_a_missing_file_leaves_no_archive(tmp_path, source):
    with pytest.raises(DataError, match="no such file"):
        archive.write(
            str(tmp_path / "a.zip"), {"a": str(source / "vocab.txt"), "b": str(tmp_path / "none")}
        )
    assert _left(tmp_path) == ["source"]


@pytest.mark.parametrize(
    ("checkpoint", "config", "place"),
    [
        ("bert_model.ckpt", "bert_config.json", "."),
        ("bert_model.ckpt", "bert_config.json", "publish"),
        ("bert_model.ckpt", "bert_config_rbt3.json", "chinese_rbt3_L-3_H-768_A-12"),
        ("lert_model.ckpt", "lert_config.json", "."),
        ("chinese_macbert_base.ckpt", "macbert_base_config.json", "chinese_macbert_base"),
        ("model.ckpt-1000000", "bert_config.json", "."),
    ],
)
def test_released_models_are_found(tmp_path, checkpoint, config, place):
    folder = tmp_path / place
    folder.mkdir(exist_ok=True)
    for name in (f"{checkpoint}.index", f"{checkpoint}.meta", config, "vocab.txt"):
        (folder / name).touch()
    (folder / "._bert_model.ckpt.index").touch()
    (tmp_path / "__MACOSX" / place).mkdir(parents=True, exist_ok=True)
    (tmp_path / "__MACOSX" / place / "vocab.txt").touch()
    found = archive.find_model(str(tmp_path))
    expected = (checkpoint, config, "vocab.txt")
    assert [os.path.realpath(path) for path in found] == [
        os.path.realpath(folder / name) for name in expected
    ]


@pytest.mark.parametrize("missing", ["bert_model.ckpt.index", "bert_config.json", "vocab.txt"])
def test_a_model_without_one_of_its_files_is_refused(source, missing):
    (source / missing).unlink()
    with pytest.raises(DataError, match=r"no (checkpoint|configuration|vocabulary); expected one"):
        archive.find_model(str(source))


def test_several_checkpoints_are_refused(source):
    (source / "model.ckpt-1.index").touch()
    with pytest.raises(DataError, match=r"several .*bert_model.ckpt.index, model.ckpt-1.index"):
        archive.find_model(str(source))


def test_errors_name_the_archive_rather_than_where_it_is_unpacked(zip_file):
    unpacked = archive.unpacked(str(zip_file))
    message = f"^{zip_file}/bert_model.ckpt: broken$"
    with pytest.raises(CheckpointError, match=message), unpacked as folder:
        assert _left(pathlib.Path(folder)) == sorted(FILES)
        raise CheckpointError(f"{folder}/bert_model.ckpt: broken")
    assert not os.path.exists(folder)


def test_an_archive_that_does_not_fit_on_the_disk(zip_file, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "extractall", fail)
    unpacked = archive.unpacked(str(zip_file))
    message = r"can't be unpacked into .*No space left.*TMPDIR"
    with pytest.raises(DataError, match=message), unpacked:
        pass


def test_the_names_of_files(tmp_path):
    path = _zip(tmp_path / "a.zip", [("publish/", b""), ("publish/vocab.txt", b"x")])
    assert archive.names_in(path) == ["publish/vocab.txt"]


def test_a_page_saved_as_an_archive_is_named(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"<!DOCTYPE html><title>Google Drive - Virus scan warning</title>")
    for read in (archive.names_in, _unpack):
        with pytest.raises(DataError, match=r"a\.zip: a web page .*download it again"):
            read(str(path))


def test_members_that_are_stored_are_read_too(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_STORED) as stream:
        stream.writestr("vocab.txt", b"x")
    assert _unpack(tmp_path / "a.zip") == {"vocab.txt": b"x"}
