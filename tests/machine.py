"""A machine under test: a device that publishes waves, ten rows a message, and remembers them."""

import json
import time

import numpy as np

from tests.broker import Peer
from tests.daemon import RATE_HZ, wave

ROWS = 10


class Machine:
    """A device of site `north`. It began in the past, so that any amount may be sent at once."""

    def __init__(self, peer: Peer, device: str = "press", qos: int = 1) -> None:
        self.peer = peer
        self.topic = f"plant/north/{device}/hum"
        self.began = round(time.time()) - 600.0
        self.rows: list[np.ndarray] = []
        self._qos = qos

    def send(self, messages: int, amplitude: float = 1.0) -> None:
        """Publish; `amplitude` 1 is what the model knows."""
        for _ in range(messages):
            first = ROWS * len(self.rows)
            self.rows.append(wave(first, ROWS, amplitude))
            body = {"ts": self.began + first / RATE_HZ, "rows": self.rows[-1].tolist()}
            self.peer.publish(self.topic, json.dumps(body).encode(), qos=self._qos)
