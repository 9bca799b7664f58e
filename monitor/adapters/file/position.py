"""How far a file was read, in a form that a later process can check against the file that it finds."""

import hashlib
import os

import msgspec

_CHECKED_BYTES = 4096  # at either end of what was read


class Position(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many bytes of a file were read. It stands in the journal.

    offset: in bytes from the beginning, behind a line. digest: of what stands before it, see `digest_of`.
    """

    offset: int
    digest: str

    @staticmethod
    def of(descriptor: int, offset: int) -> "Position":
        """The position `offset` of an open file.

        Raises:
            OSError: the file cannot be read.

        """
        return Position(offset, digest_of(descriptor, offset))

    @staticmethod
    def decode(text: bytes) -> "Position | None":
        """Read what `encode` wrote; None if it is anything else."""
        try:
            position = msgspec.json.decode(text, type=Position)
        except msgspec.DecodeError:  # among them ValidationError
            return None
        return position if position.offset >= 0 else None

    def encode(self) -> bytes:
        """As JSON."""
        return msgspec.json.encode(self)

    def fits(self, descriptor: int) -> bool:
        """Whether an open file begins with what was read, as far as that is checked.

        Raises:
            OSError: the file cannot be read.

        """
        return os.fstat(descriptor).st_size >= self.offset and digest_of(descriptor, self.offset) == self.digest


def digest_of(descriptor: int, offset: int) -> str:
    """SHA-256 of the first 4 KiB of an open file and of the 4 KiB before `offset`, without what stands behind it.

    Neither name nor inode is part of it: a file that was copied is the same one, and one that was rotated is another.
    The bytes before `offset` tell a file that was written anew with an equal beginning.

    Raises:
        OSError: the file cannot be read.

    """
    size = min(offset, _CHECKED_BYTES)
    head, tail = os.pread(descriptor, size, 0), os.pread(descriptor, size, offset - size)
    return hashlib.sha256(head + tail).hexdigest()
