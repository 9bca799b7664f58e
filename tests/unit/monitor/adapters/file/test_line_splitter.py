"""Lines out of chunks: the same wherever chunks end, and short of memory for long ones."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.file.line_splitter import LineSplitter


def split_all(text: bytes, sizes: list[int], max_line_bytes: int, offset: int = 0) -> tuple[list[bytes], list[int]]:
    """What comes of a text that is read in pieces of these sizes, over and over."""
    splitter = LineSplitter(max_line_bytes, offset)
    lines, ends, at, number = [], [], 0, 0
    while at < len(text):
        size = sizes[number % len(sizes)]
        for found, where in (splitter.split(text[at : at + size]),):
            lines += found
            ends += where
        at, number = at + size, number + 1
    last, end = splitter.finish()
    return lines + last, ends + end


@given(st.lists(st.binary(max_size=12)), st.booleans(), st.lists(st.integers(1, 7), min_size=1), st.integers(1, 9))
def test_lines_are_the_same_wherever_chunks_end(
    parts: list[bytes], ended: bool, sizes: list[int], max_line_bytes: int
) -> None:
    text = b"\n".join(parts) + (b"\n" if ended else b"")
    whole = text.split(b"\n")
    whole = whole if whole[-1] else whole[:-1]
    lines, ends = split_all(text, sizes, max_line_bytes, offset=1000)
    assert lines == [line[: max_line_bytes + 1] for line in whole]
    assert [text[end - 1001 : end - 1000] for end in ends[:-1]] == [b"\n"] * len(ends[:-1])
    assert not ends or ends[-1] == 1000 + len(text)
    assert len(ends) == len(lines)


def test_a_line_without_end_takes_no_more_memory_than_the_longest_admitted() -> None:
    splitter = LineSplitter(100)
    for _ in range(1000):
        assert splitter.split(b"x" * 1000) == ([], [])
        assert len(splitter._begun) <= 101
    assert splitter.split(b"\nnext\n") == ([b"x" * 101, b"next"], [1_000_001, 1_000_006])


def test_a_line_of_the_longest_size_is_whole_and_one_byte_more_can_be_told() -> None:
    assert LineSplitter(3).split(b"abc\nabcd\nabcde\n")[0] == [b"abc", b"abcd", b"abcd"]
