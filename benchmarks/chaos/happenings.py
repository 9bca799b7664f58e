"""What happens in the chaos run: things that fail, and things that people do. Afterwards the daemon runs, or will."""

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from functools import partial

import numpy as np
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.chaos.devices import RATE_HZ, Device, Expired, Reconfigured, Sent, plain_device, wave
from benchmarks.chaos.loud import LoudDevice
from benchmarks.chaos.publisher import TAIL, Publisher
from benchmarks.chaos.settings import Settings
from benchmarks.chaos.world import PATIENCE_SECONDS, SCRAPE_SECONDS, ChaosError, World, wait_for
from benchmarks.common.models_in_use import use_version

_HOUR_SECONDS = 3600.0
_EXPIRE_SECONDS = 6  # while a stream is to expire; nobody else is silent for so long
_NEVER_SECONDS = 86400
_FROM_QOS_0 = "noise"  # the source that may lose messages
_LOUD_HZ, _VICTIM_HZ, _LOUD_SECONDS = 3000.0, 5.0, 3.0
_LOUD_ROWS = 40  # whole periods of the wave, so that one message follows another
_WINDOW, _STRIDE = 64, 32
_BURST_MESSAGES = 3000


class Chaos:
    """The things that happen.

    happened: those that are of several kinds, by name. seconds: what each took in all. victim_windows: of slow devices
    beside loud ones, those that had to come and those that did not.
    """

    def __init__(self, world: World, publisher: Publisher, shop: Sequence[Device], rng: random.Random) -> None:
        self.happened: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.victim_windows = self.victim_windows_lost = 0
        self.bursts: list[Device] = []
        self._world = world
        self._publisher = publisher
        self._shop = shop
        self._others = [device for device in publisher.devices if device not in shop]
        self._rng = rng
        self._reconfigurations: list[str] = []

    @property
    def devices(self) -> list[Device]:
        """All whose messages must not be lost."""
        return [*self._publisher.devices, *self.bursts]

    @property
    def published(self) -> int:
        """All their messages, which have to be walked through."""
        return sum(not message.command for device in self.devices for message in device.sent)

    # --- what fails

    def kill(self) -> None:
        world = self._world
        self._sleep(0.0, 0.6)
        world.kill_daemon()
        self._sleep(0.0, 0.3)
        world.start_daemon()
        if self._rng.random() < 0.3:  # and once more, while it starts or catches up
            self._sleep(0.1, 1.6)
            world.kill_daemon()
            world.start_daemon()
        world.wait_ready()

    def restart_broker(self) -> None:
        self._world.stop_broker()
        self._sleep(0.0, 1.0)
        self._world.start_broker()

    def stall(self) -> None:
        self._world.proxy.stall()
        self._sleep(0.5, 4.0)
        (self._world.proxy.resume if self._rng.random() < 0.3 else self._world.proxy.cut)()

    def fill_disk(self) -> None:
        self._world.fill_disk()
        wait_for(lambda: self._world.readiness() == 503, "the full disk is noticed and told")
        self._sleep(0.0, 1.0)
        self._world.empty_disk()
        self._world.wait_ready()  # only then is what a crash would lose nothing again

    def slow_disk(self) -> None:
        with self._world.slow_writes(self._rng.uniform(0.01, 0.06)):
            self._sleep(1.0, 3.0)
            if self._rng.random() < 0.5:  # slow is not lost: a kill in the midst of it must cost nothing
                self._world.kill_daemon()
                self._world.start_daemon()

    def hold_database(self) -> None:
        with self._world.database_held():
            wait_for(lambda: self._world.readiness() == 503, "the held database is noticed and told")
        self._world.wait_ready()

    def jump(self) -> None:
        self._world.set_clock(self._rng.choice((-1, 1)) * _HOUR_SECONDS)
        self._sleep(0.3, 1.5)
        self._world.set_clock(0.0)

    # --- what people do

    def reload(self) -> None:
        self._world.wait_ready()
        if self._rng.random() < 0.5:
            self._world.misconfigure()
        self._world.reload()  # and perhaps something happens to it while it loads

    def swap(self) -> None:
        """Put the other artifact of the same numbers in use, and tell the daemon, or let it see for itself."""
        self._world.wait_ready()
        change = partial(self._put_other_in_use, "hum")
        self._world.wait_reloaded(change, signalled=self._rng.random() < 0.5)
        self._perhaps_kill()

    def reconfigure(self) -> None:
        """Change the source and the model of the shop while alerts of its streams are open."""
        world = self._world
        if not self._reconfigurations:
            self._reconfigurations = ["root", "stream", "model", "k", "artifact"]
            self._rng.shuffle(self._reconfigurations)
        what = self._reconfigurations.pop()
        world.wait_ready()
        self._let_fire(self._shop)
        with self._publisher.paused(self._shop):
            self._wait_walked()
            if what == "artifact":
                self._put_other_in_use("wave")
                config = world.configure()
            else:
                config = world.configure(world.settings.with_other(what))
            self._perhaps_kill()
            for device in self._shop:
                device.history.append(Reconfigured(config))
                move(device, world.settings)
        self.happened[f"reconfigured: {what}"] += 1

    def expire(self) -> None:
        """Let a device rest until it is forgotten, in the midst of an alert; then it goes on."""
        world, device = self._world, self._rng.choice(self._others)
        world.wait_ready()
        before = world.settings
        self._let_fire([device])
        self._publisher.rest(device)
        self._wait_moving()
        world.configure(before.expiring_after(_EXPIRE_SECONDS))
        resting = [device, *self.bursts]
        series = {f"residuald_last_sample_timestamp_seconds {each.stream}" for each in resting}
        wait_for(lambda: not series & world.metrics().keys(), f"{device.stream} is forgotten", SCRAPE_SECONDS)
        world.configure(before)
        for each in resting:
            each.history.append(Expired())
        self._publisher.wake(device)
        self._perhaps_kill()
        self.happened["expired"] += 1

    def command(self) -> None:
        """Let an operator mute a stream, and unmute it, forget it, or have it learn anew, while it has an alert."""
        if self._rng.random() < 0.25:
            self._rng.choice(self._shop).commands.append("relearn")
        else:
            self._rng.choice(self._others).commands.append(self._rng.choice(("mute", "forget")))

    # --- what devices do

    def loud_neighbour(self) -> None:
        """Let a device flood the broker at QoS 0 beside a slow one: of the slow one each window has to be scored."""
        world = self._world
        world.wait_ready()
        self._wait_moving()
        rows = np.round(wave(np.arange(_LOUD_ROWS) / RATE_HZ), 4).tolist()
        number = self.happened["loud neighbours"]
        names = f"loud{number}", f"victim{number}"
        topics = [f"noise/{name}/hum" for name in names]
        devices = [LoudDevice(world.broker_port, each, rows, RATE_HZ, self._publisher.began) for each in topics]
        with closing(devices[0]) as loud, closing(devices[1]) as victim:
            noise = threading.Thread(target=loud.send_for, args=(_LOUD_SECONDS, _LOUD_HZ, 0.01), daemon=True)
            noise.start()
            victim.send_for(_LOUD_SECONDS, _VICTIM_HZ, 0.05)
            noise.join()
            windows = (victim.sent * _LOUD_ROWS - _WINDOW) // _STRIDE + 1
        series = f"residuald_windows_scored_total {names[1]}"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (scored := int(world.metrics().get(series, 0))) < windows and time.monotonic() < deadline:
            time.sleep(SCRAPE_SECONDS)
        self.victim_windows += windows
        self.victim_windows_lost += abs(windows - scored)
        self.happened["loud neighbours"] += 1
        self.happened["messages of loud neighbours"] += loud.sent

    def burst(self) -> None:
        """Let a device publish thousands of messages at once at QoS 1, and kill the daemon while they come."""
        number = len(self.bursts)
        device = plain_device(f"racket/racket{number}/hum", 100 + number, self._rng)
        for step in range(_BURST_MESSAGES):
            device.step(self._publisher.began, calm=step >= _BURST_MESSAGES - TAIL)
        self.bursts.append(device)
        thread = threading.Thread(target=_publish, args=(self._world.broker_port, device.sent), daemon=True)
        thread.start()
        self._sleep(0.0, 1.5)
        self._world.kill_daemon()
        self._world.start_daemon()
        thread.join(PATIENCE_SECONDS)
        if thread.is_alive():
            raise ChaosError("the broker does not take a burst")
        self._world.wait_ready()

    # --- how

    def pause(self) -> None:
        self._sleep(0.05, 0.5)

    def _sleep(self, least: float, most: float) -> None:
        time.sleep(self._rng.uniform(least, most))

    def _perhaps_kill(self) -> None:
        """Kill the daemon as soon as it has taken something over: it must have been kept by then."""
        if self._rng.random() < 0.5:
            self._world.kill_daemon()
            self._world.start_daemon()
            self._world.wait_ready()

    def _put_other_in_use(self, name: str) -> None:
        folder = self._world.models / name
        old = (folder / "current").readlink()
        other = next(file for file in sorted(folder.glob("*.pt")) if file.name != old.name)
        use_version(folder, other.stem)

    def _let_fire(self, devices: Sequence[Device]) -> None:
        for device in devices:
            device.fall_ill()
        wait_for(lambda: all(device.is_firing for device in devices), "the devices fall ill")

    def _wait_walked(self) -> None:
        """Wait until all that the broker has of the devices has been walked through."""
        wait_for(lambda: received(self._world) >= self.published, "all that was published is walked", SCRAPE_SECONDS)

    def _wait_moving(self) -> None:
        """Wait until messages come in: after a broken connection it is ready a moment before."""
        before = received(self._world)
        wait_for(lambda: received(self._world) > before, "messages come in", SCRAPE_SECONDS)


def received(world: World) -> int:
    """Messages that the daemon has walked through, of sources that lose nothing."""
    name, metrics = "residuald_messages_received_total", world.metrics()
    return int(metrics[name] - metrics.get(f"{name} {_FROM_QOS_0}", 0.0))


def move(device: Device, settings: Settings) -> None:
    """Let a device of the shop publish where the settings have it, under the name that they give it."""
    name = device.lanes[0].topic.split("/")[1]
    device.stream = settings.stream_of(name)
    device.lanes = settings.lanes_of(name)


def _publish(port: int, messages: Sequence[Sent]) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(len(messages))
    client.max_queued_messages_set(0)
    client.connect("127.0.0.1", port)
    client.loop_start()
    given = [client.publish(message.topic, message.payload, qos=1) for message in messages]
    for each in given:
        each.wait_for_publish(PATIENCE_SECONDS)
    client.disconnect()
    client.loop_stop()
