"""Weeks of pumps to the running daemon: published over MQTT, a day a second, and waited for."""

import json
import threading
import time
from pathlib import Path

import numpy as np

from monitor.core.dataset.recording import RecordingError
from monitor.core.history.alert_record import AlertRecord
from monitor.demo.plain_client import connect, disconnect, new_client
from monitor.demo.pumps import CHANNELS, DAY_SECONDS, FITTED_DAYS, PUMPS, TOPIC, Pumps
from monitor.errors import UnavailableError
from monitor.readers.history import History

_SENT_SECONDS = 60.0
_OF_A_DAY_SECONDS = 1.0  # what comes faster than the history's thread looks at it would leave samples out
# how long the history may take to write what came
_KEPT_SECONDS = 240.0
_SOON_SECONDS = 0.2
_LAST_HOURS_SECONDS = DAY_SECONDS / 4  # what is still being put together at the end


def write_first_days(folder: Path, pumps: Pumps) -> list[Path]:
    """Write the days that the model is fitted to, a file for each pump."""
    files = []
    for pump in PUMPS:
        samples = np.concatenate([pumps.samples(pump, day) for day in range(FITTED_DAYS)])
        time_seconds = pumps.start_seconds + np.arange(len(samples)) * DAY_SECONDS / (len(samples) / FITTED_DAYS)
        files.append(folder / f"{pump}.npz")
        np.savez(files[-1], samples=samples.astype(np.float32), time=time_seconds, channels=np.array(list(CHANNELS)))
    return files


def publish(host: str, port: int, pumps: Pumps, days: tuple[int, int], stop: threading.Event) -> int:
    """Publish what all pumps send from one day to another; returns how many messages that were.

    Raises:
        UnavailableError: the broker is not there.

    """
    client = new_client()
    connect(client, host, port)
    sent = 0
    try:
        for day in range(*days):
            for message in pumps.messages(day, day + 1):
                payload = json.dumps({"ts": message.first_seconds, "rows": message.samples.round(4).tolist()})
                client.publish(TOPIC.format(device=message.pump), payload, qos=1).wait_for_publish(_SENT_SECONDS)
                sent += 1
            if stop.wait(_OF_A_DAY_SECONDS):
                break
    finally:
        disconnect(client)
    return sent


def wait_kept(file: Path, model: str, until_seconds: float, stop: threading.Event) -> list[AlertRecord]:
    """Wait until the daemon's history holds all pumps up to a time (since 1970), and give the alerts that fired.

    Raises:
        UnavailableError: it does not.

    """
    deadline = time.monotonic() + _KEPT_SECONDS
    while not stop.wait(_SOON_SECONDS):
        try:
            with History.open(file) as history:
                kept = [stream.last_seconds for stream in history.streams(model)]
                if len(kept) == len(PUMPS) and min(kept) > until_seconds - _LAST_HOURS_SECONDS:
                    return [alert for alert in history.alerts(model) if alert.fired]
        except RecordingError:
            pass  # it is not there yet
        if time.monotonic() > deadline:
            raise UnavailableError(f"the daemon's history {file} does not hold what was published")
    return []
