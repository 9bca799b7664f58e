"""The checkpoint: one file with everything that must outlive the process, replaced atomically.

Layout: magic (8 bytes, the last one is the version of this layout and of the table around the pipeline's state), CRC-32
of what follows (4 bytes, little-endian), the encoded state (`monitor/core/values/snapshots.py`). A file of its own and
not a row of the journal, because it may be large: it is written by a thread of its own, and nothing that waits for the
journal waits for it.
"""

import os
import struct
from pathlib import Path
from zlib import crc32

from monitor.adapters.storage.private_files import open_private
from monitor.core.values.snapshots import State, StateError, decode_state
from monitor.settings.regular_file import open_regular, read_regular, resolved_inside

_MAGIC = b"RSDCHKP\x03"
_OLDER = b"RSDCHKP\x02"  # by commit ada64b2: laid out alike, but no program of then reads ours
_READABLE = (_OLDER, _MAGIC)
_CHECKSUM = struct.Struct("<I")
_MAX_BYTES = 4 * 2**30  # of a million streams with windows of a thousand samples


def write_checkpoint(file: Path, content: bytes) -> None:
    """Replace the checkpoint by an encoded state; after this it survives a power cut.

    Raises:
        OSError: it cannot be written; the one before is still there.

    """
    new = file.with_suffix(".new")
    with open(new, "wb", opener=open_private) as stream:
        stream.write(_MAGIC + _CHECKSUM.pack(crc32(content)))
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # or the new name may be lost with the power
    finally:
        os.close(folder)


def read_checkpoint(file: Path) -> State | None:
    """Read the checkpoint; None where there is none.

    Raises:
        OSError: it cannot be read.
        StateError: it is damaged, or of another version.

    """
    try:
        data = _content(file)
    except FileNotFoundError:
        return None
    head = len(_MAGIC) + _CHECKSUM.size
    if data[: len(_MAGIC)] not in _READABLE:
        known = data.startswith(_MAGIC[:-1])
        raise StateError("not a checkpoint of a version that is known here", "version" if known else "damaged")
    content = data[head:]
    if data[len(_MAGIC) : head] != _CHECKSUM.pack(crc32(content)):
        raise StateError("its checksum does not match")
    state = decode_state(content)
    return _from_ada64b2(state) if data.startswith(_OLDER) else state


def _content(file: Path) -> bytes:
    """The whole file; of one that does not begin as a checkpoint, the beginning alone."""
    resolved = resolved_inside(file.parent, file)
    with open_regular(resolved, _MAX_BYTES, follow_link=False) as stream:
        beginning = stream.read(len(_MAGIC))
    return read_regular(resolved, _MAX_BYTES, follow_link=False) if beginning in _READABLE else beginning


def _from_ada64b2(state: State) -> State:
    """What commit ada64b2 wrote of exchanges that were not finished, as the source of MQTT resumes now."""
    safe = state.get("safe")
    try:
        rows = [struct.pack("<HI", exchange, content) for exchange, content in safe.items()] if safe else []
    except (AttributeError, struct.error) as error:
        raise StateError(f"`safe` is no table of exchanges: {error}") from None
    return state | {"resume": {"mqtt": b"".join(rows)}}
