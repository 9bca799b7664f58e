"""The archive of a module, taken apart without running anything in it, and given the numbers of a refit.

An artifact is a zip file. Its members are the manifest (`extra/manifest.json`), the code (`code/…`), how the module is
put together (`data.pkl`), the numbers of its tensors (`data/N`), constants of the code, and notes about the format.

A refit may differ from its parent in the manifest and in tensors of floating-point numbers, each of which stays as
large as it was. Everything else is what the parent has: code, shapes, attributes, constants, and whole numbers, which
may be places in a tensor. So the parent's own archive with the refit's numbers and manifest in it is the refit. That is
what an engine gets to load, and no code that only a refit key signed is ever run.
"""

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from itertools import zip_longest

from monitor.core.artifact.code_equality.pickled_structure import Operation, classes, operations, storages
from monitor.core.artifact.code_equality.program_text import program
from monitor.core.artifact.code_equality.unequal import UnequalError
from monitor.core.artifact.manifest import MANIFEST_FILE

_MANIFEST = f"extra/{MANIFEST_FILE}"
_STRUCTURE = "data.pkl"
_NUMBERS = "data/"
_CODE = "code/"
_DEBUG = ".debug_pkl"  # which line of whose file an operation came from; only torch's errors name it
_IDENTITY = ".data/serialization_id"  # a hash of the numbers, which nothing reads
_MOST_MEMBERS = 10_000
_DIRECTORY_ENTRY = b"PK\x01\x02"
_PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1
# what zipfile raises for bytes that are no archive
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError),
    *(ValueError, KeyError, IndexError, EOFError, OSError),
)


@dataclass(frozen=True, slots=True)
class ModuleArchive:
    """An archive's members by name, without the folder that they all stand in, which is `top`."""

    top: str
    members: dict[str, bytes]

    @classmethod
    def read(cls, data: bytes, max_bytes: int) -> "ModuleArchive":
        """Read an archive whose members hold at most `max_bytes` together.

        Raises:
            UnequalError: it is no archive as the trainer writes it.

        """
        # each entry takes some hundred bytes of memory, as soon as the archive is opened
        if data.count(_DIRECTORY_ENTRY) > _MOST_MEMBERS:
            raise UnequalError(f"has more than {_MOST_MEMBERS} members")
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                entries = archive.infolist()
                _require_plain(entries, max_bytes)
                found = {each.filename: archive.read(each) for each in entries if not each.filename.endswith(_DEBUG)}
        except UnequalError:
            raise
        except _DAMAGED as error:
            raise UnequalError(f"is no archive that can be read: {str(error) or type(error).__name__}") from None
        top = entries[0].filename.partition("/")[0] if entries else ""
        if any(not name.startswith(f"{top}/") for name in found):
            raise UnequalError("has members in more than one folder")
        return cls(top, {name.removeprefix(f"{top}/"): content for name, content in found.items()})

    @property
    def manifest(self) -> str:
        """The manifest, as text.

        Raises:
            UnequalError: there is none.

        """
        try:
            return self.members[_MANIFEST].decode()
        except (KeyError, UnicodeDecodeError):
            raise UnequalError(f"has no {MANIFEST_FILE}") from None

    def with_numbers_of(self, refit: "ModuleArchive") -> bytes:
        """Put the numbers and the manifest of a refit into this archive; return the archive that comes of it.

        Raises:
            UnequalError: the refit differs from this one in something else.

        """
        structure = self.structure()
        _require_equal_structure(structure, refit)
        self._require_equal_code(structure, refit)
        taken = {_MANIFEST}
        for storage in storages(structure):
            name = f"{_NUMBERS}{storage.key}"
            if storage.floats and len(refit.member(name)) == len(self.member(name)):
                taken.add(name)
        self._require_equal_members(refit, taken)
        together = io.BytesIO()
        with zipfile.ZipFile(together, "w") as archive:
            for name, content in self.members.items():
                archive.writestr(
                    zipfile.ZipInfo(f"{self.top}/{name}"), refit.members[name] if name in taken else content
                )
        return together.getvalue()

    def member(self, name: str) -> bytes:
        """Give the content of a member.

        Raises:
            UnequalError: there is none of that name.

        """
        try:
            return self.members[name]
        except KeyError:
            raise UnequalError(f"has no member {name}") from None

    def structure(self) -> list[Operation]:
        """Read how the module is put together.

        Raises:
            UnequalError: it is written in another way than torch writes it.

        """
        return list(operations(self.member(_STRUCTURE)))

    @property
    def code(self) -> dict[str, bytes]:
        """The members that are code."""
        return {name: content for name, content in self.members.items() if name.startswith(_CODE)}

    def _require_equal_code(self, structure: list[Operation], refit: "ModuleArchive") -> None:
        own = program(self.code, classes(structure))
        found = program(refit.code, classes(refit.structure()))
        for name in sorted(own.keys() | found.keys()):
            if own.get(name) != found.get(name):
                raise UnequalError(f"the code of {name.partition('#')[0]} is another")

    def _require_equal_members(self, refit: "ModuleArchive", taken: set[str]) -> None:
        apart = {*taken, _STRUCTURE, _IDENTITY}
        for name in sorted(self.members.keys() | refit.members.keys()):
            if name in apart or name.startswith(_CODE):
                continue
            if self.members.get(name) != refit.members.get(name):
                raise UnequalError(f"member {name} is another")


def _require_plain(entries: list[zipfile.ZipInfo], max_bytes: int) -> None:
    names = {entry.filename for entry in entries}
    if len(names) != len(entries):
        raise UnequalError("has two members of one name")
    if any(entry.compress_type not in _PLAIN or entry.flag_bits & _ENCRYPTED for entry in entries):
        raise UnequalError("has members that are encrypted, or packed in an uncommon way")
    size = sum(entry.file_size for entry in entries)
    if size > max_bytes:
        raise UnequalError(f"unpacks to {size} bytes, more than artifacts.max_bytes")


def _require_equal_structure(own: list[Operation], refit: ModuleArchive) -> None:
    """Compare operation by operation: classes by their order alone, everything else as it stands."""
    numbers: tuple[dict[str, int], dict[str, int]] = {}, {}
    for ours, theirs in zip_longest(own, operations(refit.member(_STRUCTURE))):
        if ours is None or theirs is None or _plain(ours, numbers[0]) != _plain(theirs, numbers[1]):
            raise UnequalError("its module is put together in another way: data.pkl has other parts, sizes or settings")


def _plain(operation: Operation, numbers: dict[str, int]) -> tuple[object, ...]:
    """Replace a class by its number; the code says by its name what it is."""
    name, argument = operation
    if name == "GLOBAL" and argument.startswith("__torch__."):
        return name, numbers.setdefault(argument, len(numbers))
    # 1 == True and 0.0 == -0.0, which are not the same in a module
    return name, type(argument), repr(argument)
