"""An induction motor: three axes of vibration, one phase current and the winding's temperature.

All channels share one grid of 1000 Hz. The motor turns at up to 25 Hz, so the fifth harmonic of the shaft (125 Hz),
the inner-race frequency of the bearing (135 Hz) with its second harmonic, twice the line frequency (100 Hz) and the
housing resonance (340 Hz) that bearing impacts excite all lie below the Nyquist frequency of 500 Hz.

What the faults look like follows Randall, "Vibration-based Condition Monitoring" (2011), chapters 2 and 5.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from monitor.simulators.bearing import DEEP_GROOVE_6205, Impacts
from monitor.simulators.catalogue import MOTOR, Profile
from monitor.simulators.fault import Fault
from monitor.simulators.noise import OrnsteinUhlenbeck, generator
from monitor.simulators.operation import MEAN_SQUARE_LOAD, Operation
from monitor.simulators.simulator import Simulator
from monitor.simulators.thermal import Winding

SAMPLE_RATE_HZ = MOTOR.sample_rate_hz
CHANNELS = MOTOR.channels
X, Y, Z, CURRENT, TEMPERATURE = range(5)

POLE_PAIRS = 2
RATED_SHAFT_HZ = 25.0  # without load; slip takes 4 % at the rated load
RATED_SLIP = 0.04
RATED_CURRENT_AMPERE = 4.0  # rms
MAGNETIZING = 0.35  # part of the rated current that does no work
BEARING = DEEP_GROOVE_6205
HOUSING_RESONANCE_HZ = 340.0
HOUSING_DAMPING_RATIO = 0.08
RATED_RISE_KELVIN = 60.0
IRON_LOSSES = 0.3  # part of the rated losses that does not depend on the current
THERMAL_TIME_CONSTANT_SECONDS = 900.0

# healthy vibration in g at rated speed, about 2 mm/s rms (ISO 20816 zone B): rows x, y, z; columns 1x to 4x
HARMONICS_G = np.array([[0.050, 0.016, 0.008, 0.004], [0.045, 0.018, 0.007, 0.004], [0.012, 0.010, 0.004, 0.002]])
LINE_VIBRATION_G = np.array([0.006, 0.006, 0.002])  # at twice the line frequency, from the pull of the magnetic field
NOISE_G = 0.006
NOISE_AMPERE = 0.02
NOISE_KELVIN = 0.05

# what a fault of severity 1 adds, in g along x, y, z at rated speed
IMBALANCE_G = np.array([0.25, 0.25, 0.04])  # at 1x, grows with the speed squared
MISALIGNMENT_1X_G = np.array([0.02, 0.02, 0.06])
MISALIGNMENT_2X_G = np.array([0.06, 0.06, 0.15])  # an angular misalignment shakes along the axis
IMPACT_G = np.array([0.50, 0.30, 0.12])  # peak of each ringing
LOOSENESS_G = {0.5: 0.06, 1.5: 0.05, 2.5: 0.04}  # order of the shaft -> along y; 0.6 of it along x
ASYMMETRY_VIBRATION_G = np.array([0.05, 0.05, 0.01])  # at twice the line frequency, from the pulsating torque
NEGATIVE_SEQUENCE = 0.25  # of the positive-sequence current, at severity 1
THIRD_HARMONIC = 0.08  # of the current, which the torque pulsation induces at severity 1
RESISTANCE_GROWTH = 1.5  # of the thermal resistance, added at severity 1 (a blocked fan)
MISSING = 0.5  # of the samples, at severity 1
DROPOUT_SECONDS = 0.05  # typical length of a gap

# the purposes that have a random generator of their own
_TRAITS, _OPERATION, _VIBRATION, _CURRENT, _TEMPERATURE, _DROPOUT, _IMPACTS = range(7)


@dataclass(frozen=True, slots=True)
class MotorTraits:
    """How one motor differs from the next of its type: mounting, sensors, manufacturing."""

    harmonics_g: NDArray[np.float64]  # [3, 4]
    harmonics_phase: NDArray[np.float64]  # [3, 4], radians
    line_phase: NDArray[np.float64]  # [3], radians
    fault_phase: float  # radians
    resonance_hz: float
    current_gain: float
    ambient_celsius: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Draw the traits of one motor."""
        phase = rng.uniform(0, 2 * math.pi, HARMONICS_G.shape)
        phase[Y, 0] = phase[X, 0] - math.pi / 2 + rng.normal(0, 0.15)  # a rotating force: y lags x by a quarter turn
        return cls(
            harmonics_g=HARMONICS_G * np.exp(rng.normal(0, 0.15, HARMONICS_G.shape)),
            harmonics_phase=phase,
            line_phase=rng.uniform(0, 2 * math.pi, 3),
            fault_phase=rng.uniform(0, 2 * math.pi),
            resonance_hz=HOUSING_RESONANCE_HZ * rng.uniform(0.95, 1.05),
            current_gain=rng.uniform(0.97, 1.03),
            ambient_celsius=rng.uniform(19.0, 25.0),
        )


class Motor(Simulator):
    """A four-pole motor, up to 25 Hz, with a 6205 bearing. The same seed, device and run give the same samples.

    device: which motor; motors differ by their traits. run: which stretch of that motor's life; runs of one motor
    share its traits but neither noise nor load.
    """

    kind: ClassVar = MOTOR

    def __init__(
        self,
        *,
        seed: int = 0,
        device: int = 1,
        run: int = 0,
        profile: Profile = Profile.LOAD_STEPS,
        faults: Sequence[Fault] = (),
        sample_rate_hz: float = SAMPLE_RATE_HZ,
    ) -> None:
        if sample_rate_hz < SAMPLE_RATE_HZ:
            raise ValueError(f"a motor needs {SAMPLE_RATE_HZ:g} Hz or more, not {sample_rate_hz:g}: else 340 Hz folds")
        super().__init__(sample_rate_hz, faults)
        for fault in self.faults:
            if fault.channel is not None and fault.channel not in CHANNELS:
                raise ValueError(f"a motor has no channel {fault.channel!r}; it has: {', '.join(CHANNELS)}")
        self.traits = MotorTraits.draw(generator(seed, device, _TRAITS))
        self._operation = Operation(profile, generator(seed, device, _OPERATION, run), sample_rate_hz)
        self._noise = generator(seed, device, _VIBRATION, run)
        self._current_noise = generator(seed, device, _CURRENT, run)
        self._temperature_noise = generator(seed, device, _TEMPERATURE, run)
        self._dropout = OrnsteinUhlenbeck(generator(seed, device, _DROPOUT, run), DROPOUT_SECONDS, 1.0, sample_rate_hz)
        self._impacts = {
            name: Impacts(
                per_turn,
                self.traits.resonance_hz,
                HOUSING_DAMPING_RATIO,
                sample_rate_hz,
                generator(seed, device, _IMPACTS, run),
            )
            for name, per_turn in (("bearing_outer", BEARING.bpfo_per_turn), ("bearing_inner", BEARING.bpfi_per_turn))
        }
        self._line_cycles = 0.0
        self._turns = 0.0
        mean_square_current = MAGNETIZING**2 + (1 - MAGNETIZING**2) * MEAN_SQUARE_LOAD[profile]
        warm_kelvin = RATED_RISE_KELVIN * (IRON_LOSSES + (1 - IRON_LOSSES) * mean_square_current)
        self._winding = Winding(self.traits.ambient_celsius, warm_kelvin, THERMAL_TIME_CONSTANT_SECONDS)
        self._held: dict[int, float] = {}  # channel -> the value at which its sensor is stuck

    def _frame(self, time_seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        line_hz, load = self._operation.advance(time_seconds)
        shaft_hz = line_hz / POLE_PAIRS * (1 - RATED_SLIP * load)
        line_cycles = self._line_cycles + np.cumsum(line_hz) / self.sample_rate_hz
        turns = self._turns + np.cumsum(shaft_hz) / self.sample_rate_hz
        self._line_cycles, self._turns = float(line_cycles[-1]), float(turns[-1])

        values = np.empty((len(time_seconds), len(CHANNELS)))
        values[:, X : Z + 1] = self._vibration(time_seconds, line_cycles, turns, shaft_hz / RATED_SHAFT_HZ, load)
        values[:, CURRENT], rms = self._current(time_seconds, line_cycles, load)
        values[:, TEMPERATURE] = self._temperature(time_seconds, rms)
        self._break_sensors(time_seconds, values)
        return values

    def _vibration(
        self,
        time_seconds: NDArray[np.float64],
        line_cycles: NDArray[np.float64],
        turns: NDArray[np.float64],
        speed: NDArray[np.float64],
        load: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Vibration [n, 3] in g. `speed` is relative to the rated one."""
        traits = self.traits
        angle = 2 * math.pi * turns
        twice_line = 4 * math.pi * line_cycles
        pull = (0.5 + 0.5 * load)[:, None] * LINE_VIBRATION_G
        vibration = pull * np.cos(twice_line[:, None] + traits.line_phase)
        for order in range(1, HARMONICS_G.shape[1] + 1):
            phase = angle[:, None] * order + traits.harmonics_phase[:, order - 1]
            vibration += (speed**2)[:, None] * traits.harmonics_g[:, order - 1] * np.cos(phase)
        vibration += self._noise.normal(0, NOISE_G, vibration.shape) * (0.5 + 0.5 * speed)[:, None]

        whirl = np.array([0.0, -math.pi / 2, 0.0]) + traits.fault_phase
        once = np.cos(angle[:, None] + whirl)
        twice = np.cos(2 * angle[:, None] + whirl)
        imbalance = self._severity("imbalance", time_seconds) * speed**2
        vibration += imbalance[:, None] * IMBALANCE_G * once
        misalignment = self._severity("misalignment", time_seconds) * speed**2
        vibration += misalignment[:, None] * (MISALIGNMENT_1X_G * once + MISALIGNMENT_2X_G * twice)
        asymmetry = self._severity("current_asymmetry", time_seconds) * load
        vibration += asymmetry[:, None] * ASYMMETRY_VIBRATION_G * np.cos(twice_line + traits.fault_phase)[:, None]

        outer = self._severity("bearing_outer", time_seconds) * speed
        vibration += self._impacts["bearing_outer"].advance(turns, outer)[:, None] * IMPACT_G
        # a pit in the inner race turns with the shaft: it is struck hard in the load zone, hardly at all opposite to it
        inner = self._severity("bearing_inner", time_seconds) * speed * (1 + 0.9 * np.cos(angle)) / 1.9
        vibration += self._impacts["bearing_inner"].advance(turns, inner)[:, None] * IMPACT_G
        return self._loosen(self._severity("looseness", time_seconds), angle, vibration)

    def _loosen(
        self, looseness: NDArray[np.float64], angle: NDArray[np.float64], vibration: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Let the foot lift off every second turn (half orders) and the frame stop it on the way down (truncation)."""
        for order, amplitude in LOOSENESS_G.items():
            half_order = looseness * amplitude * np.cos(order * angle + self.traits.fault_phase)
            vibration[:, Y] += half_order
            vibration[:, X] += 0.6 * half_order
        stop = -self.traits.harmonics_g[Y, 0] * (1.3 - looseness)
        vibration[:, Y] = np.where(looseness > 0, np.maximum(vibration[:, Y], stop), vibration[:, Y])
        return vibration

    def _current(
        self, time_seconds: NDArray[np.float64], line_cycles: NDArray[np.float64], load: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the current of one phase in ampere [n] and the rms of all three relative to the rated one [n]."""
        asymmetry = self._severity("current_asymmetry", time_seconds)
        active = math.sqrt(1 - MAGNETIZING**2) * load
        positive = np.hypot(MAGNETIZING, active)
        angle = 2 * math.pi * line_cycles - np.arctan2(MAGNETIZING, active)
        wave = np.cos(angle) + 0.02 * np.cos(5 * angle) + 0.01 * np.cos(7 * angle)
        wave += asymmetry * NEGATIVE_SEQUENCE * np.cos(2 * math.pi * line_cycles + self.traits.fault_phase)
        wave += asymmetry * THIRD_HARMONIC * np.cos(3 * angle + self.traits.fault_phase)
        ampere = self.traits.current_gain * math.sqrt(2) * RATED_CURRENT_AMPERE * positive * wave
        ampere += self._current_noise.normal(0, NOISE_AMPERE, len(ampere))
        return ampere, positive * np.sqrt(1 + (asymmetry * NEGATIVE_SEQUENCE) ** 2)

    def _temperature(self, time_seconds: NDArray[np.float64], rms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the winding's temperature [n] in degC."""
        losses = RATED_RISE_KELVIN * (IRON_LOSSES + (1 - IRON_LOSSES) * rms**2)
        resistance = 1 + RESISTANCE_GROWTH * self._severity("overheating", time_seconds)
        celsius = self._winding.advance(losses, resistance, 1 / self.sample_rate_hz)
        return celsius + self._temperature_noise.normal(0, NOISE_KELVIN, len(celsius))

    def _break_sensors(self, time_seconds: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        """Let sensors stick and samples go missing, in place."""
        for fault in self.faults:
            if fault.name == "sensor_stuck":
                channel = CHANNELS.index(fault.channel or "vib_x")
                stuck = np.flatnonzero(fault.active(time_seconds))
                if len(stuck):
                    values[stuck, channel] = self._held.setdefault(channel, float(values[stuck[0], channel]))
        missing = MISSING * self._severity("sensor_dropout", time_seconds)
        values[self._dropout.take(len(values)) < ndtri(missing)] = np.nan
