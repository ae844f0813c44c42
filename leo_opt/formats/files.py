"""Files on disk: what can be read, what can be written, and writing that leaves nothing behind."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection
from pathlib import Path

from leo_opt.errors import FileFormatError, OutputError

AnyPath = str | os.PathLike[str]


def suffix_of(path: AnyPath, known: Collection[str]) -> str:
    """The suffix of `path` in lower case, which must be one of `known`.

    Raises
    ------
    FileFormatError
        If it is not; the message lists the known ones.
    """
    name = Path(path).name.lower()
    found = [suffix for suffix in known if name.endswith(suffix) and name != suffix]
    if not found:
        raise FileFormatError(
            f"{path} has the suffix {Path(path).suffix or 'none'!r}; known are {', '.join(known)}"
        )
    return max(found, key=len)


def check_readable(path: AnyPath) -> Path:
    """`path` as a regular file that can be opened.

    Raises
    ------
    FileFormatError
        If it does not exist, is not a regular file, or cannot be opened.
    """
    source = Path(path)
    try:
        if source.is_dir():
            raise FileFormatError(f"{path} is a folder; name a file")
        with source.open("rb"):
            return source
    except FileNotFoundError:
        raise FileFormatError(f"{path} does not exist; check the name") from None
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{path} cannot be opened: {error}") from error


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
