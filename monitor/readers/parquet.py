"""Parquet tables, by the rules for CSV: a `time` column, one column per channel, optionally `label`."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from monitor.core.dataset.recording import Recording, RecordingError, recording_of_columns
from monitor.core.values.names import safe_name


def read_parquet(path: Path) -> Recording:
    """Read a table. A null is a missing value; `time` is a timestamp (without a zone: UTC) or epoch seconds.

    Raises:
        RecordingError: no Parquet file, a column that holds no numbers, or a breach of the rules for tables.
        OSError: the file cannot be read.

    """
    try:
        with path.open("rb") as file:
            table = pq.read_table(file)
    except pa.ArrowInvalid as error:
        raise RecordingError(f"not a readable Parquet file: {error}") from None
    if not table.num_rows:
        raise RecordingError("the table has no rows")
    return recording_of_columns(
        safe_name(path.stem), {name: _numbers(name, table.column(name)) for name in table.column_names}
    )


def _numbers(name: str, column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A column as float64 [n]; timestamps as epoch seconds."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        nanoseconds = column.cast(pa.timestamp("ns", kind.tz)).cast(pa.int64())
        return np.asarray(pc.cast(nanoseconds, pa.float64(), safe=False).to_numpy(), np.float64) / 1e9
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise RecordingError(f"column {name!r} has type {kind}, expected numbers: leave it out of the file")
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(), np.float64)
