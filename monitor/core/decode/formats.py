"""The formats of payloads: settings, never guesses. `kind` selects one.

All of them produce the same thing: rows of samples, one column per channel of the source (one column where the topic or
the payload names the channel), and the time of the first row if the payload carries one. To add a format, add a folder
with its settings and its decoder, and its settings to this list.
"""

from typing import Annotated

from pydantic import Field

from monitor.core.decode.binary_format.settings import BinaryFormat
from monitor.core.decode.csv_format.settings import CsvFormat
from monitor.core.decode.json_format.settings import JsonFormat
from monitor.core.decode.number_format.settings import NumberFormat

Format = Annotated[JsonFormat | NumberFormat | CsvFormat | BinaryFormat, Field(discriminator="kind")]
