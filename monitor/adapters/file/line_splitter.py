"""Lines out of chunks of bytes: bounded in memory however long a line is."""

from itertools import accumulate


class LineSplitter:
    r"""Cuts what was read into lines, and counts bytes.

    max_line_bytes: a longer line is given cut to one byte more than that, so that whoever reads it can tell.
    offset: bytes before the first chunk.

    A line ends with `\n`, which is no part of it; `finish` gives what stands behind the last one.
    """

    def __init__(self, max_line_bytes: int, offset: int = 0) -> None:
        self._keep_bytes = max_line_bytes + 1
        self._begun = bytearray()  # the line that is not complete, cut
        self._offset = offset  # bytes of all lines given so far
        self._begun_bytes = 0  # how long that line is, uncut

    def split(self, chunk: bytes) -> tuple[list[bytes], list[int]]:
        """Cut the next chunk of input.

        Returns the lines that it completes, and for each how many bytes of input stand before the next line.
        """
        *complete, rest = chunk.split(b"\n")
        if not complete:
            self._begin(rest)
            return [], []
        sizes = [len(line) + 1 for line in complete]
        sizes[0] += self._begun_bytes
        if self._begun_bytes:
            self._begin(complete[0])
            complete[0] = bytes(self._begun)
        self._begun.clear()
        self._begun_bytes = 0
        self._begin(rest)
        if max(sizes) > self._keep_bytes:
            complete = [line[: self._keep_bytes] for line in complete]
        ends = list(accumulate(sizes, initial=self._offset))[1:]
        self._offset = ends[-1]
        return complete, ends

    def finish(self) -> tuple[list[bytes], list[int]]:
        """At the end of the input: the last line, as `split` gives lines; none if it is empty."""
        if not self._begun_bytes:
            return [], []
        self._offset += self._begun_bytes
        line = bytes(self._begun)
        self._begun.clear()
        self._begun_bytes = 0
        return [line], [self._offset]

    def _begin(self, part: bytes) -> None:
        self._begun += part[: self._keep_bytes - len(self._begun)]
        self._begun_bytes += len(part)
