"""Files on disk: what can be read, what can be written, and writing that leaves nothing behind."""

from __future__ import annotations

import gzip
import os
import secrets
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path

from leo_opt.arguments import read_path
from leo_opt.errors import FileFormatError, OutputError

AnyPath = str | os.PathLike[str]

_LFS_POINTER = b"version https://git-lfs."
"""How the small text begins that Git LFS puts in the place of a large file."""


def suffix_of(path: AnyPath, known: Collection[str]) -> str:
    """The suffix of `path` in lower case, which must be one of `known`.

    Raises
    ------
    FileFormatError
        If it is not; the message lists the known ones.
    """
    name = Path(read_path(path)).name.lower()
    found = [suffix for suffix in known if name.endswith(suffix) and name != suffix]
    if not found:
        ending = Path(path).suffix
        suffix = f"the suffix {ending!r}" if ending else "no suffix"
        raise FileFormatError(f"{path} has {suffix}; known are {', '.join(known)}")
    return max(found, key=len)


def check_readable(path: AnyPath) -> Path:
    """`path` as a regular file that can be opened.

    Raises
    ------
    FileFormatError
        If it does not exist, is not a regular file, cannot be opened, or stands for a file that
        Git LFS keeps elsewhere.
    """
    source = Path(read_path(path))
    try:
        if source.is_dir():
            raise FileFormatError(f"{path} is a folder; name a file")
        with source.open("rb") as stream:
            if stream.read(len(_LFS_POINTER)) == _LFS_POINTER:
                raise FileFormatError(
                    f"{path} is a Git LFS pointer, not the file itself; fetch it with: git lfs pull"
                )
            return source
    except FileFormatError:
        raise
    except FileNotFoundError:
        raise FileFormatError(f"{path} does not exist; check the name") from None
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{path} cannot be opened: {error}") from error


def read_bytes(path: Path, most: int) -> bytes:
    """What a file holds, unpacked where its name ends with .gz.

    Raises
    ------
    FileFormatError
        If it cannot be read or holds more bytes than `most`.
    """
    try:
        with (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rb") as stream:
            content: bytes = stream.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FileFormatError(f"the file cannot be read: {error}") from error
    if len(content) > most:
        raise FileFormatError(f"the file holds more than {most} bytes")
    return content


def check_writable(path: AnyPath, known: Collection[str] | None = None) -> Path:
    """Find out now whether a file can be written at `path` later, without touching it.

    Parameters
    ----------
    path
        The file to be; a symbolic link is followed.
    known
        Suffixes it may have, such as `FORMATS`; by default any.

    Returns
    -------
    Path
        The file that will be written.

    Raises
    ------
    OutputError
        If the folder does not exist or takes no new file, or `path` is there already and is
        not a regular file or is read-only.
    FileFormatError
        If the suffix is not among the known ones.
    """
    if known is not None:
        suffix_of(path, known)
    read_path(path)
    try:
        target = Path(os.path.realpath(path))
        folder = target.parent
        if not folder.is_dir():
            raise OutputError(f"cannot write {path}: {folder} is not a folder; create it first")
        if target.exists() and not target.is_file():
            raise OutputError(f"cannot write {path}: it is no regular file; choose another name")
        if target.exists() and not os.access(target, os.W_OK):
            raise OutputError(f"cannot write {path}: it is read-only; choose another name")
        # Only creating a file shows that one can be created: permission bits do not know of
        # read-only and full file systems.
        probe = temporary_name(target)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OutputError:
        raise
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot write {path}: {_reason(error)}; choose another place") from error
    return target


def check_distinct(
    inputs: Mapping[str, AnyPath], outputs: Mapping[str, AnyPath], force: bool = False
) -> None:
    """Refuse outputs that would replace what is read, or one another.

    Parameters
    ----------
    inputs, outputs
        Paths by what messages call them, such as "--report". Two paths are the same file also
        through links.
    force
        Let outputs replace inputs.

    Raises
    ------
    OutputError
        If two of them are the same file.
    """
    for position, (label, path) in enumerate(outputs.items()):
        for other, earlier in list(outputs.items())[:position]:
            if _same_file(path, earlier):
                raise OutputError(
                    f"{label} and {other} both name {path}; give each output a name of its own"
                )
        for other, source in inputs.items():
            if not force and _same_file(path, source):
                raise OutputError(
                    f"{label} {path} is the file that is read as {other}; choose another name, or "
                    "say --force to replace it"
                )


def _same_file(left: AnyPath, right: AnyPath) -> bool:
    """Whether two paths lead to one file, which need not be there yet."""
    try:
        return os.path.samefile(left, right)
    except (OSError, ValueError):  # One of them is not there, or can name no file at all.
        try:
            return os.path.realpath(left) == os.path.realpath(right)
        except (OSError, ValueError):
            return False


def temporary_name(target: Path) -> Path:
    """A name in the folder of `target` that no other process uses."""
    return target.with_name(f".{secrets.token_hex(8)}.tmp")


def write_atomically(path: AnyPath, content: bytes) -> None:
    """Write a whole file or nothing: another name in the same folder first, then a rename.

    Raises
    ------
    OutputError
        If the file cannot be written; what stood there before still does.
    """
    target = check_writable(path)
    temporary = temporary_name(target)
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {_reason(error)}; nothing was written") from error
    finally:
        temporary.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    """What the operating system says, without the name of a temporary file."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
