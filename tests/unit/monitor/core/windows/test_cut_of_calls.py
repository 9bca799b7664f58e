"""What comes of messages depends on their order and arrivals, never on how they are cut into calls."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.core.artifact.manifest import WindowSpec
from monitor.core.grid.sample_grid import GridRules
from monitor.core.values.discards import Reason
from monitor.core.values.snapshots import decode_state, encode_state
from monitor.core.windows.stream_blocks import StreamBlocks
from monitor.core.windows.stream_windows import StreamWindows, WindowBatch

PERIOD, START = 0.125, 1e9  # exact in binary, so that no sum of times depends on its order
LENGTH, STRIDE, CHANNELS, STREAMS = 6, 4, 3, 2
SPEC = WindowSpec(length=LENGTH, stride=STRIDE, max_gap_samples=2)
GROUPS = [[0, 1], [2]]  # each from a source of its own


Window = tuple[float, float, list[float], list[list[float]]]  # end, arrival, coverage, values


@dataclass(frozen=True)
class Sent:
    """A message: stream, source, time of its first sample and arrival in sample periods from `START`, samples."""

    stream: int
    source: int
    first: float
    length: int
    arrival: float


@dataclass(frozen=True)
class Outcome:
    """What came of messages: windows by stream, refused samples, restarts, and by how much clocks are ahead."""

    windows: list[list[Window]]
    discards: Counter[Reason]
    restarts: int
    offsets: list[float]


def opened(lateness: int, max_bytes: int) -> StreamWindows:
    rules = GridRules(
        *(PERIOD, LENGTH, 2),
        lateness_samples=lateness,
        max_ahead_seconds=10.0 + PERIOD / 3,
        arrival_jitter_seconds=1.0 + PERIOD / 3,
        max_backlog_bytes=max_bytes,
    )
    windows = StreamWindows(CHANNELS, SPEC, rules)
    for stream in range(STREAMS):
        windows.open_stream(stream, GROUPS)
    return windows


def restarted(windows: StreamWindows, lateness: int, max_bytes: int) -> StreamWindows:
    """What another process makes of the state of this one."""
    streams = np.arange(STREAMS)
    snapshot = {"windows": windows.snapshot(streams), "clocks": windows.alignment.snapshot(streams)}
    state = decode_state(encode_state(snapshot))
    successor = opened(lateness, max_bytes)
    for name, part in (("windows", successor), ("clocks", successor.alignment)):
        part.check(state[name], STREAMS)
        part.restore(streams, state[name])
    successor.grid.restarts = windows.grid.restarts
    return successor


def outcome(
    calls: list[list[tuple[int, Sent]]],
    timed: tuple[bool, bool],
    *,
    lateness: int = 6,
    max_bytes: int = 2**30,
    backwards: bool = False,
    restarts: bool = False,
) -> Outcome:
    """Feed messages call by call. backwards: the sources, too; restarts: between calls."""
    windows = opened(lateness, max_bytes)
    found, discards = list[WindowBatch](), Counter[Reason]()
    for call in calls:
        windows = restarted(windows, lateness, max_bytes) if restarts else windows
        parts = [blocks_of([each for each in call if each[1].source == source], timed[source]) for source in (0, 1)]
        parts = [part for part in parts if len(part.length)]
        found += windows.feed(parts[::-1] if backwards else parts, discards)
    by_stream: list[list[Window]] = [[] for _ in range(STREAMS)]
    for batch in found:
        rows = zip(
            batch.stream.tolist(),
            np.round(batch.end_seconds - START, 6).tolist(),
            batch.arrival_seconds.tolist(),
            batch.coverage.tolist(),
            batch.values.tolist(),
            strict=True,
        )
        for stream, *window in rows:
            by_stream[stream].append(tuple(window))
    offsets = windows.alignment.offset_seconds[: STREAMS * CHANNELS].tolist()
    return Outcome(by_stream, discards, windows.grid.restarts, offsets)


def blocks_of(sent: list[tuple[int, Sent]], timed: bool) -> StreamBlocks:
    """Blocks of one source. Each sample has a value of its own: the number of its message, and which of them it is."""
    width = len(GROUPS[sent[0][1].source]) if sent else 1
    values = [(number * 1000 + np.arange(each.length))[:, None].repeat(width, axis=1) for number, each in sent]
    return StreamBlocks(
        channel_group=np.array([each.stream * CHANNELS + GROUPS[each.source][0] for _, each in sent], np.int64),
        columns=np.array([GROUPS[each.source] for _, each in sent], np.int64),
        first_time_seconds=START + np.array([each.first for _, each in sent]) * PERIOD,
        length=np.array([each.length for _, each in sent], np.int64),
        arrival_seconds=START + np.array([each.arrival for _, each in sent]) * PERIOD,
        timed=timed,
        values=np.concatenate([*values, np.zeros((0, width))]).astype(np.float32),
        row=np.array([number for number, _ in sent], np.int64),
    )


@st.composite
def messages(draw: st.DrawFn) -> list[Sent]:
    """Mostly one after another, yet with gaps, repetitions, jitter, delays, clocks that jump, and topics in turns."""
    cursor: Counter[tuple[int, int]] = Counter()
    now, sent = 0.0, list[Sent]()
    for _ in range(draw(st.integers(1, 14))):
        stream, source = draw(st.integers(0, STREAMS - 1)), draw(st.integers(0, 1))
        length = draw(st.sampled_from([1, 1, 2, 4, 10, 30]))
        step = draw(st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2, 3, 8, -1, -2, -length, 40, -700, 900]))
        pause = draw(st.sampled_from([0.0, 0.01, float(length), 2.0 * length, 20.0]))
        now += draw(st.sampled_from([0, 0, 0, 1, 40]))
        cursor[stream, source] += step
        for _ in range(draw(st.sampled_from([1, 1, 2, 5, 20, 60]))):
            jitter = draw(st.sampled_from([0.0, 0.0, 0.0, -0.25, 0.25])) if len(sent) < 40 else 0.0
            sent.append(Sent(stream, source, cursor[stream, source] + jitter, length, now))
            cursor[stream, source] += length
            now += pause
    return sent


def in_turns(topics: int, samples: int) -> list[Sent]:
    """A stored outage of one stream, passed on topic by topic."""
    sent = [Sent(0, source, at, 1, 0.0) for source in range(topics) for at in range(samples)]
    return [replace(each, arrival=samples + at / 50) for at, each in enumerate(sent)]


@given(
    sent=messages(),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=10),
    timed=st.tuples(st.booleans(), st.booleans()),
    lateness=st.sampled_from([6, 24]),
    backwards=st.booleans(),
    restarts=st.booleans(),
)
@example(sent=in_turns(2, 300), cuts=[200, 350], timed=(True, True), lateness=6, backwards=True, restarts=True)
@example(  # a filled slot comes after all, when the others have gone on without its channels
    sent=[
        Sent(1, 1, -679.0, 2, 37.0),
        Sent(1, 0, 2375.0, 30, 43.0),
        Sent(1, 1, -675.0, 1, 43.0),
        Sent(1, 0, 1705.0, 1, 67.0),
        Sent(1, 1, -676.0, 2, 67.0),
    ],
    cuts=[1, 40],
    timed=(False, True),
    lateness=6,
    backwards=False,
    restarts=False,
)
@settings(max_examples=150, deadline=None)
def test_however_messages_are_cut_into_calls_and_sorted_by_source_the_windows_and_counts_are_the_same(
    sent: list[Sent], cuts: list[int], timed: tuple[bool, bool], lateness: int, backwards: bool, restarts: bool
) -> None:
    numbered = list(enumerate(sent))
    ends = [end for end in np.cumsum(cuts).tolist() if end < len(sent)]
    calls = [numbered[start:end] for start, end in zip([0, *ends], [*ends, len(sent)], strict=True)]
    one_by_one = outcome([[each] for each in numbered], timed, lateness=lateness)
    assert outcome(calls, timed, lateness=lateness, backwards=backwards, restarts=restarts) == one_by_one


@dataclass(frozen=True)
class Phase:
    """Both sources send a sample at a time: how many, and of the second by how much its clock is ahead, and late."""

    samples: int
    clock: float
    delay: float


PHASES = st.builds(
    Phase,
    samples=st.sampled_from([45, 90, 500]),
    clock=st.sampled_from([0.0, 0.0, 24.0, 40.0, 64.25, -40.0]),
    delay=st.sampled_from([0.0, 0.0, 0.0, 3.0, 40.0]),
)


def live(phases: list[Phase]) -> list[Sent]:
    """What comes of phases one after another, in the order of arrival."""
    sent, at = list[Sent](), 0
    for phase in phases:
        for _ in range(phase.samples):
            sent.append(Sent(0, 0, at, 1, float(at)))
            sent.append(Sent(0, 1, at + phase.clock, 1, at + phase.delay))
            at += 1
    return sorted(sent, key=lambda each: each.arrival)


@given(
    phases=st.lists(PHASES, min_size=1, max_size=3),
    cuts=st.lists(st.sampled_from([1, 2, 3, 20, 89, 400]), min_size=1, max_size=10),
    lateness=st.sampled_from([6, 24]),
    backwards=st.booleans(),
    restarts=st.booleans(),
)
@example(phases=[Phase(500, 40.0, 0.0)], cuts=[3, 89, 400], lateness=24, backwards=False, restarts=True)
@example(
    phases=[Phase(90, 0, 0), Phase(500, -40.0, 0.0), Phase(90, 0, 0)],
    cuts=[400, 1, 89],
    lateness=6,
    backwards=True,
    restarts=True,
)
@settings(max_examples=25, deadline=None)
def test_clocks_are_aligned_alike_however_messages_are_cut_into_calls(
    phases: list[Phase], cuts: list[int], lateness: int, backwards: bool, restarts: bool
) -> None:
    sent = live(phases)
    numbered = list(enumerate(sent))
    ends = [end for end in np.cumsum(cuts * 10).tolist() if end < len(sent)]
    calls = [numbered[start:end] for start, end in zip([0, *ends], [*ends, len(sent)], strict=True)]
    one_by_one = outcome([[each] for each in numbered], (True, True), lateness=lateness)
    assert outcome(calls, (True, True), lateness=lateness, backwards=backwards, restarts=restarts) == one_by_one


def test_a_stored_outage_that_is_passed_on_topic_by_topic_gives_every_window() -> None:
    samples = 5000
    calls = [[each] for each in enumerate(in_turns(2, samples))]
    found = outcome(calls, (True, True))
    assert len(found.windows[0]) == (samples - LENGTH) // STRIDE + 1
    assert not found.discards


def test_what_goes_beyond_the_memory_for_backlogs_is_refused_and_the_rest_gives_its_windows() -> None:
    samples, room = 5000, 2048
    sent = in_turns(2, samples)
    calls = [list(enumerate(sent))[start : start + 500] for start in range(0, len(sent), 500)]
    found = outcome(calls, (True, True), max_bytes=room * CHANNELS * 4)
    # what the second topic brings beyond the first's samples waits in vain for more of these, and is bounded likewise
    assert samples - room <= found.discards[Reason.BACKLOG_LIMIT] <= 2 * (samples - room // 2)
    assert found.discards.keys() == {Reason.BACKLOG_LIMIT}
    assert room // 2 < len(found.windows[0]) * STRIDE <= room


def test_memory_for_a_backlog_is_given_back() -> None:
    rules = GridRules(PERIOD, LENGTH, 2, lateness_samples=6)
    windows = StreamWindows(CHANNELS, SPEC, rules)
    windows.open_stream(0, GROUPS)
    numbered, before = list(enumerate(in_turns(2, 5000))), windows.rings.nbytes
    held = []
    for start in range(0, len(numbered), 100):
        for source in (0, 1):
            part = blocks_of([each for each in numbered[start : start + 100] if each[1].source == source], timed=True)
            if len(part.length):
                list(windows.feed([part], Counter()))
        held.append(windows.rings.nbytes)
    assert max(held) > before + 5000 * CHANNELS * 4
    assert held[-1] == before


def half_outage(stream: int, samples: int = 5000) -> StreamBlocks:
    """The first of two topics of a stored outage: what it brings waits for the second."""
    return blocks_of([(at, Sent(stream, 0, at, 1, samples + at / 50)) for at in range(samples)], timed=True)


def test_what_a_closed_stream_had_waiting_takes_no_memory_from_those_that_are_left() -> None:
    windows = opened(6, 2**17)
    before = windows.rings.nbytes
    list(windows.feed([half_outage(0)], Counter()))
    assert windows.rings.nbytes > before
    windows.close_stream(0)
    assert windows.rings.nbytes == before
    refused = Counter[Reason]()
    list(windows.feed([half_outage(1)], refused))
    assert not refused


def test_a_number_whose_stream_had_room_of_its_own_starts_with_as_much_as_any_other() -> None:
    windows = opened(6, 2**20)
    list(windows.feed([half_outage(0)], Counter()))
    windows.close_stream(0)
    windows.open_stream(0, GROUPS)
    found = outcome_of_outage(windows)
    assert found == outcome_of_outage(opened(6, 2**20))


def outcome_of_outage(windows: StreamWindows, samples: int = 600) -> list[list[list[list[float]]]]:
    """The windows that come of an outage, of which first one topic is passed on and then the other."""
    sent = list(enumerate(in_turns(2, samples)))
    calls = [sent[:samples], sent[samples:]]
    return [batch.values.tolist() for call in calls for batch in windows.feed([blocks_of(call, timed=True)], Counter())]


def test_a_backlog_counts_however_much_of_it_came_in_one_step() -> None:
    windows, refused = opened(6, 2**17), Counter[Reason]()
    for stream in range(STREAMS):
        list(windows.feed([half_outage(stream)], refused))
    assert windows.rings.wide.nbytes <= 2**17
    assert refused.keys() == {Reason.BACKLOG_LIMIT}
