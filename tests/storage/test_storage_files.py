"""Where files can be read and written, and that a failure leaves nothing behind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from leo_opt import Stability
from leo_opt.bounds import Bounds
from leo_opt.errors import FileFormatError, InvalidInputError, OutputError
from leo_opt.formats import FORMATS, check_writable, load, load_domain, save
from leo_opt.model_files import Sidecar
from leo_opt.model_files.solutions import read_solution
from leo_opt.network import Network
from leo_opt.storage import files
from leo_opt.verification import load_property

NETWORK = Network.from_arrays([[[1.0]]], [None])


def test_checking_touches_nothing(tmp_path: Path):
    target = tmp_path / "net.onnx"
    assert check_writable(target) == target
    assert list(tmp_path.iterdir()) == []
    target.write_text("old")
    assert check_writable(str(target), FORMATS) == target
    assert target.read_text() == "old"


def test_places_that_take_no_file_are_named(tmp_path: Path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.npz").mkdir()
    for path, words in (
        (tmp_path / "none" / "net.npz", "create it first"),
        (tmp_path / "file" / "net.npz", "is not a folder"),
        (tmp_path / "folder.npz", "no regular file"),
        (tmp_path / ("x" * 300 + ".npz"), "File name too long"),
        (Path("/dev/full"), "no regular file"),
    ):
        with pytest.raises(OutputError, match=words):
            check_writable(path)
    with pytest.raises(OutputError, match="create it first"):
        save(NETWORK, tmp_path / "none" / "net.npz")
    with pytest.raises(OutputError, match="cannot write"):
        check_writable("a\0b.npz")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to the superuser")
def test_read_only_places_are_refused(tmp_path: Path):
    (tmp_path / "old.npz").touch(mode=0o400)
    with pytest.raises(OutputError, match="read-only"):
        check_writable(tmp_path / "old.npz")
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        check_writable(tmp_path / "new.npz")


@pytest.mark.parametrize("name", ["net", "net.h5", "net.onnx.txt", ".onnx"])
def test_unknown_suffixes_list_the_known_ones(name: str, tmp_path: Path):
    has = f"has the suffix '{Path(name).suffix}'" if Path(name).suffix else "has no suffix"
    for action in (
        lambda path: check_writable(path, FORMATS),
        lambda path: save(NETWORK, path),
        load,
    ):
        known = r"; known are \.onnx, \.onnx\.gz, \.nnet, \.npz"
        with pytest.raises(FileFormatError, match=has + known):
            action(tmp_path / name)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_keeps_the_old_file_and_nothing_else(
    suffix: str, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    target = tmp_path / f"net{suffix}"
    target.write_text("old")

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, step, fail)
    with pytest.raises(OutputError, match="No space left on device; nothing was written"):
        save(NETWORK, target)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    assert target.read_text() == "old"


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_network_that_cannot_be_stored_writes_nothing(suffix: str, tmp_path: Path):
    network = Network.from_arrays([[[1e300]]], [None])
    with pytest.raises(InvalidInputError, match="too large for float32"):
        save(network, tmp_path / f"net{suffix}", dtype="float32")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", FORMATS)
def test_suffixes_are_read_in_any_case_and_links_are_followed(suffix: str, tmp_path: Path):
    target, link = tmp_path / f"NET{suffix.upper()}", tmp_path / f"link{suffix}"
    link.symlink_to(target)
    save(NETWORK, link)
    assert link.is_symlink()
    assert load(target) == load(link) == NETWORK


def test_new_files_have_the_usual_permissions(tmp_path: Path):
    (tmp_path / "usual").touch()
    save(NETWORK, tmp_path / "net.npz")
    assert (tmp_path / "net.npz").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize(
    ("read", "name"),
    [
        (load, "net.onnx"),
        (load, "net.npz"),
        (load_domain, "box.npz"),
        (load_domain, "box.vnnlib"),
        (load_property, "property.vnnlib"),
        (Bounds.load, "bounds.npz"),
        (Stability.load, "stability.json"),
        (read_solution, "model.sol"),
        (Sidecar.load, "model.mps"),
    ],
)
def test_every_reader_names_a_pointer_of_git_lfs(read: Any, name: str, tmp_path: Path):
    (tmp_path / name).write_text(
        "version https://git-lfs.github.com/spec/v1\n"
        "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
        "size 12345\n"
    )
    with pytest.raises(FileFormatError, match=r"is a Git LFS pointer.*git lfs pull"):
        read(tmp_path / name)
