"""The work of `residuald demo`: broker, data, models, daemon, devices; stopped in the opposite order."""

import contextlib
import math
import os
import queue
import shutil
import signal
import socket
import threading
import time
from pathlib import Path

from rich.console import Console

from monitor.core.sources.topics import TopicPattern
from monitor.demo.child import Child
from monitor.demo.config_text import LOCALHOST, config_text
from monitor.demo.device_fleet import Broker, SimulatedDevice, SimulatedFleet
from monitor.demo.embedded_broker import EmbeddedBroker
from monitor.demo.loop_story import MODEL, LoopStory
from monitor.demo.observer import Observer
from monitor.demo.pump_feed import write_first_days
from monitor.demo.pumps import CHANNELS, DAY_SECONDS, LAST_DAYS, PERIOD_SECONDS, Pumps
from monitor.demo.scrape import is_ready, scrape
from monitor.demo.screen import Screen
from monitor.demo.simulated_files import write_files
from monitor.errors import OutputError, UnavailableError
from monitor.simulators.catalogue import ECG, ECG_TOPIC, MOTOR, MOTOR_TOPIC
from monitor.simulators.ecg import Ecg
from monitor.simulators.fault import Fault
from monitor.simulators.motor import Motor
from monitor.simulators.simulator import Simulator

_MQTT_PORT, _HTTP_PORT = 1883, 9108  # where they are free; else others
_BASE_TOPIC = "residuald"
_READY_SECONDS = 60.0
_SCRAPE_SECONDS = 1.0
_MOTORS = (1, 2, 3)

# a quarter of an hour of load and warmth in bursts of four windows; beat by beat a heart changes less: some minutes do
_MOTOR_SECONDS, _MOTOR_BURSTS = 900.0, (1.28, 12.0)
_ECG_SECONDS = 240.0
_MOTOR_MODEL = "[window]\nlength = 512\nstride = 256\n[model]\nhidden = [96, 16]\n"
_PUMP_MODEL = """\
[window]
length = 16
stride = 8
[representation]
kind = "raw"
[model]
family = "pca"
[calibration]
false_alarms = "1 per 30d"
"""
_TRAINING = "[training]\nmax_epochs = 40\npatience_epochs = 10\nlearning_rate = 0.002\n"  # seconds, not the best fit


class Demo:
    """One run of the demo. live: show a table where there is a terminal."""

    def __init__(
        self,
        folder: Path,
        broker: tuple[str, int] | None,
        duration_seconds: float | None,
        fault_after: float,
        loop_after: float,
        *,
        live: bool,
    ) -> None:
        self._folder = folder.absolute()
        self._broker = broker
        self._duration_seconds = duration_seconds or math.inf
        self._fault_after = fault_after
        self._loop_after = loop_after
        # its last day ended a while ago, so that nothing is from the future
        self._pumps = Pumps((time.time() // PERIOD_SECONDS) * PERIOD_SECONDS - (LAST_DAYS[1] + 0.1) * DAY_SECONDS)
        self._stop = threading.Event()
        self._screen = Screen(Console(highlight=False), time.monotonic(), live=live)

    def run(self) -> None:
        """Run until the duration is over, or SIGINT or SIGTERM arrives.

        Raises:
            UnavailableError: something that the demo needs is missing, or one of its processes failed.

        """
        before = {
            number: signal.signal(number, lambda *_: self._stop.set()) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            with contextlib.ExitStack() as stack:
                self._show(stack)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        self._screen.tell("end", "all stopped")

    def _show(self, stack: contextlib.ExitStack) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot use the folder {self._folder}: {error.strerror}") from error
        host, port = self._start_broker(stack)
        observer = Observer(host, port, _BASE_TOPIC)
        observer.start()
        stack.callback(observer.stop)
        self._fit_missing()
        if self._stop.is_set():
            return
        daemon, url = self._start_daemon(stack, host, port)
        if self._stop.is_set():
            return
        fleet = SimulatedFleet(Broker(host, port), _devices(self._fault_after), duration_seconds=self._duration_seconds)
        fleet.start()
        stack.callback(fleet.stop)
        self._screen.tell("devices", f"{len(fleet.devices)} publish in real time, e.g. {fleet.devices[0].topic}")
        story = LoopStory(self._screen, self._folder, self._config_file, (host, port), self._pumps)
        stack.callback(story.stop)
        with self._screen.table():
            self._watch(fleet, observer, daemon, url, story)

    def _start_broker(self, stack: contextlib.ExitStack) -> tuple[str, int]:
        if self._broker is not None:
            self._screen.tell("broker", f"{self._broker[0]}:{self._broker[1]}")
            return self._broker
        broker = EmbeddedBroker(LOCALHOST, _free_port(_MQTT_PORT))
        broker.start()
        stack.callback(broker.stop)
        self._screen.tell("broker", f"amqtt, inside the demo, on {broker.host}:{broker.port}")
        return broker.host, broker.port

    # --- models

    def _fit_missing(self) -> None:
        """Fit what is not there yet, all models at a time. That of the pumps begins anew with each demo."""
        for folder in (self._folder / "models" / MODEL, self._folder / "journal"):
            shutil.rmtree(folder, ignore_errors=True)
        motors = [self._folder / "data" / f"motor-{number}.npz" for number in _MOTORS]
        ecg = self._folder / "data" / "ecg.npz"
        missing = [name for name in ("motor", "ecg") if not (self._folder / "models" / name / "current").exists()]
        for name in {"motor", "ecg"} - set(missing):
            self._screen.tell("model", f"{name}: the one in {self._folder / 'models' / name}")
        with contextlib.ExitStack() as fits:
            running = {}
            if missing:
                with self._screen.waiting("simulating healthy devices"):
                    healthy: list[Simulator] = [Motor(device=number) for number in _MOTORS]
                    write_files(motors, healthy, _MOTOR_SECONDS, self._screen.console, _MOTOR_BURSTS)
                    write_files([ecg], [Ecg()], _ECG_SECONDS, self._screen.console)
                heart = f"simulated {len(motors)} healthy motors and a heart, in {self._folder / 'data'}"
                self._screen.tell("data", heart)
            for name in missing:
                files, kind, model = {"motor": (motors, MOTOR, _MOTOR_MODEL), "ecg": ([ecg], ECG, "")}[name]
                units = dict(zip(kind.channels, kind.units, strict=True))
                fit = self._fit(name, files, units, model + _TRAINING, ["--kind", name])
                running[name] = fits.enter_context(fit)
            running[MODEL] = fits.enter_context(self._fit_pumps())
            with self._screen.waiting(f"fitting {', '.join(running)} with residuald-trainer"):
                for child in running.values():
                    child.wait(self._stop)
        if not self._stop.is_set():
            for name in running:
                self._screen.tell("model", f"{name}: fitted; its report is in {self._folder / 'models' / name}")

    def _fit_pumps(self) -> Child:
        (self._folder / "data").mkdir(exist_ok=True)
        return self._fit(MODEL, write_first_days(self._folder / "data", self._pumps), CHANNELS, _PUMP_MODEL, [])

    def _fit(self, name: str, data: list[Path], units: dict[str, str], model: str, options: list[str]) -> Child:
        """Fit a model. units: of its channels, by their names. model: the rest of its settings."""
        settings = self._folder / f"{name}.fit.toml"
        channels = (f'[[channel]]\nname = "{channel}"\nunit = "{unit}"\n' for channel, unit in units.items())
        settings.write_text("".join((*channels, model)))
        arguments = ["fit", *options, "--data", *map(str, data), "--out", str(self._folder / "models" / name)]
        log_file = self._folder / f"{name}.fit.log"
        return Child(
            "residuald-trainer",
            [*arguments, "--config", str(settings)],
            log_file,
            threads=max(1, (os.cpu_count() or 1) // 2),
        )

    @property
    def _config_file(self) -> Path:
        return self._folder / "residuald.toml"

    # --- the daemon

    def _start_daemon(self, stack: contextlib.ExitStack, host: str, port: int) -> tuple[Child, str]:
        http_port = _free_port(_HTTP_PORT)
        config = self._config_file
        config.write_text(config_text(host, port, http_port, self._folder, _BASE_TOPIC))
        log_file = self._folder / "residuald.log"
        daemon = stack.enter_context(Child("residuald", ["run", "--config", str(config)], log_file, threads=1))
        url = f"http://{LOCALHOST}:{http_port}"
        deadline = time.monotonic() + _READY_SECONDS
        with self._screen.waiting("starting the daemon"):
            while not is_ready(url) and not self._stop.wait(0.1):
                daemon.check()
                if time.monotonic() > deadline:
                    raise UnavailableError(f"the daemon is not ready after {_READY_SECONDS:g} s; see {log_file}")
        if not self._stop.is_set():
            self._screen.tell("daemon", f"residuald run --config {config}, log in {log_file.name}")
            self._screen.tell("look at", f"{url}/metrics")
            self._screen.tell("look at", f"mosquitto_sub -h {host} -p {port} -t '{_BASE_TOPIC}/#' -v")
        return daemon, url

    # --- the show

    def _watch(self, fleet: SimulatedFleet, observer: Observer, daemon: Child, url: str, story: LoopStory) -> None:
        faults: dict[str, tuple[str, ...]] = {}
        scraped, began = -math.inf, time.monotonic()
        while not self._stop.is_set() and not fleet.wait(0.1):
            daemon.check()
            story.check()
            if not story.begun and time.monotonic() - began >= self._loop_after:
                story.start()
            status = fleet.status
            for device in sorted(faults.keys() | status.faults.keys()):
                begun = set(status.faults.get(device, ())) - set(faults.get(device, ()))
                for name in sorted(begun - self._screen.faults_told(device)):
                    self._screen.tell_fault(device, name)
            faults = status.faults
            with contextlib.suppress(queue.Empty):
                while True:
                    self._screen.tell_alert(observer.alerts.get_nowait())
            if time.monotonic() - scraped >= _SCRAPE_SECONDS:
                scraped = time.monotonic()
                self._screen.update(observer.states, scrape(url), status)


def _devices(fault_after: float) -> list[SimulatedDevice]:
    """Return the devices that the models were fitted on, in another run, with faults one after the other."""
    faults = {
        2: [_fault("bearing_outer", fault_after, 35)],
        3: [_fault("looseness", fault_after + 60, 35)],
    }
    beats = [_fault("pvc", fault_after + 30, 25)]
    pattern = TopicPattern.parse(MOTOR_TOPIC)
    motors = [
        SimulatedDevice(f"motor-{number}", pattern, Motor(device=number, run=1, faults=faults.get(number, [])))
        for number in _MOTORS
    ]
    return [*motors, SimulatedDevice("bed-1", TopicPattern.parse(ECG_TOPIC), Ecg(run=1, faults=beats))]


def _fault(name: str, onset_seconds: float, lasts_seconds: float) -> Fault:
    """Return a fault that grows, so that the score can be seen to climb."""
    end_seconds = onset_seconds + lasts_seconds
    return Fault(name=name, onset_seconds=onset_seconds, ramp_seconds=15.0, severity=0.8, end_seconds=end_seconds)


def _free_port(wanted: int) -> int:
    """The wanted port if it is free, else any that is."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOCALHOST, port))
            free: int = probe.getsockname()[1]
            return free
    raise UnavailableError(f"no port is free on {LOCALHOST}")
