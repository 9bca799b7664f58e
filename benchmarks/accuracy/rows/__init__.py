"""The rows of the quality benchmark, one protocol per file."""

from benchmarks.accuracy.rows import ecg5000, fan, hydraulic, mitdb, mnist, nab, skab, svdb

ROWS = (
    ecg5000.ROW,
    mitdb.PER_PATIENT,
    mitdb.ACROSS,
    mitdb.ADAPTED,
    svdb.ROW,
    skab.ROW,
    fan.ROW,
    hydraulic.ROW,
    nab.ROW,
    mnist.ROW,
    mnist.RESTORED,
)
