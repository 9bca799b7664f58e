"""`generation.json` and `generations.jsonl`: how the version in use came into use, and those before it."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from monitor.core.artifact.generation import Generation, GenerationError, parse_generation
from monitor.core.artifact.manifest import SIGNATURE_SUFFIX
from monitor.core.artifact.model_folder_names import GENERATION_FILE, GENERATIONS_FILE
from monitor.settings.regular_file import read_regular
from monitor.settings.whole_file import write_whole

_MAX_BYTES = 64 * 1024  # one takes 200
_MAX_LIST_BYTES = 4 * 2**20
_MOST_KEPT = 1000  # generations in the list: 20 years of weekly ones

Sign = Callable[[bytes], bytes]


def read_generation(folder: Path, read: Callable[[Path], bytes] | None = None) -> Generation | None:
    """The generation in use, as it is written down; None where there is no such file.

    read: reads a file, only if it is signed where it must be; None: signed or not.

    Raises:
        OSError: it cannot be read.
        GenerationError: it is no generation.

    """
    file = folder / GENERATION_FILE
    try:
        data = read(file) if read is not None else read_regular(file, _MAX_BYTES, follow_link=False)
    except FileNotFoundError:
        return None
    return parse_generation(data)


def known_generation(folder: Path) -> Generation | None:
    """The generation in use, for showing and counting; None also where it cannot be read or is none."""
    try:
        return read_generation(folder)
    except (OSError, GenerationError):
        return None


def read_generations(folder: Path) -> list[Generation]:
    """All generations that are written down, oldest first; lines that are none are left out."""
    try:
        lines = read_regular(folder / GENERATIONS_FILE, _MAX_LIST_BYTES, follow_link=False).splitlines()
    except OSError:
        lines = []
    found: dict[int, Generation] = {}
    for line in lines:
        with contextlib.suppress(GenerationError):
            generation = parse_generation(line)
            found[generation.generation] = generation
    last = known_generation(folder)
    if last is not None:
        found[last.generation] = last
    return [found[number] for number in sorted(found)]


def write_generation(folder: Path, generation: Generation, sign: Sign | None) -> None:
    """Write a generation down, the list first: one of a change that never came is overwritten by the next.

    sign: makes the signature of these bytes; None: it is not signed.

    Raises:
        OSError: it cannot be written; the generation is as it was.

    """
    earlier = [each for each in read_generations(folder) if each.generation != generation.generation]
    kept = [*earlier, generation][-_MOST_KEPT:]
    write_whole(folder / GENERATIONS_FILE, "".join(f"{each.model_dump_json()}\n" for each in kept).encode())
    file, data = folder / GENERATION_FILE, generation.model_dump_json().encode()
    signature = file.with_name(file.name + SIGNATURE_SUFFIX)
    if sign is not None:
        write_whole(signature, sign(data))
    write_whole(file, data)
    if sign is None:
        signature.unlink(missing_ok=True)
