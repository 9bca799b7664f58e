"""An electrocardiogram: one lead (II, in mV) at 250 Hz.

The dynamical model of McSharry, Clifford, Tarassenko & Smith, "A dynamical model for generating synthetic
electrocardiogram signals", IEEE Trans. Biomed. Eng. 50 (2003) 289 (ECGSYN): a point runs around the unit circle once
per beat and is pulled up and down as it passes the angles of P, Q, R, S and T,

    dz/dt = -Σ a Δθ exp(-Δθ² / 2 b²) - (z - z0(t)).

On the circle itself, which attracts every path, the angle is the integral of 2π/RR, so what is left is linear in z:
a first-order filter of the sum. It is solved as such, some thousand times faster than by a general solver. Each beat
brings its own pull, so a premature one needs not squeeze its neighbours.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from monitor.simulators.catalogue import ECG
from monitor.simulators.fault import Fault
from monitor.simulators.noise import generator
from monitor.simulators.rhythm import Beat, Heart, SinusRhythm
from monitor.simulators.simulator import Simulator

SAMPLE_RATE_HZ = ECG.sample_rate_hz

# rows P, Q, R, S, T: angle from the R wave (radians), strength a (1/s), width b (radians); table I of the paper
SINUS_WAVES = np.array(
    [
        [-math.pi / 3, 1.2, 0.25],
        [-math.pi / 12, -5.0, 0.10],
        [0.0, 30.0, 0.10],
        [math.pi / 12, -7.5, 0.10],
        [math.pi / 2, 0.75, 0.40],
    ]
)
# a ventricular beat has no P; it spreads slowly through the muscle, so QRS is wide, and T points the other way
VENTRICULAR_WAVES = np.array([[0.0, 9.0, 0.25], [0.55, -2.5, 0.25], [1.9, -1.2, 0.40]])
ST_ANGLE, ST_WIDTH = 0.75, 0.30  # the ST segment, between S and T
ST_MILLIVOLT = 0.3  # elevation or depression at severity 1; 0.1 mV is clinically significant
MILLIVOLT_PER_UNIT = 23.0  # makes R about 1.1 mV at 60 beats per minute
BREATHING_MILLIVOLT = 0.15  # amplitude of the baseline z0
MUSCLE_MILLIVOLT = 0.010
MAINS_MILLIVOLT, MAINS_HZ = 0.005, 50.0
LEAD_OFF_MILLIVOLT = 0.004  # what the open amplifier still hums
PVC_PROBABILITY = 0.5  # of a premature ventricular contraction after a sinus beat, at severity 1
_BEAT_ANGLES = (-1.4 * math.pi, 1.6 * math.pi)  # where a beat's pull is felt at all
_PVC_ANGLES = (-0.8, 3.3)  # from the onset of its QRS to the end of its T

# the purposes that have a random generator of their own
_TRAITS, _RHYTHM, _BEATS, _NOISE = range(4)


@dataclass(frozen=True, slots=True)
class HeartTraits:
    """How one patient differs from the next."""

    mean_rr_seconds: float
    std_rr_seconds: float
    lf_hf_ratio: float
    breathing_hz: float
    waves: NDArray[np.float64]  # like SINUS_WAVES

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Draw the traits of one patient."""
        mean_rr_seconds = 60 / rng.uniform(58, 82)
        waves = SINUS_WAVES.copy()
        # at a higher rate the waves take a larger part of the beat
        hurry = math.sqrt(1 / mean_rr_seconds)
        waves[:, 0] *= np.array([math.sqrt(hurry), hurry, 1, hurry, math.sqrt(hurry)]) * rng.uniform(0.95, 1.05, 5)
        waves[:, 1] *= np.exp(rng.normal(0, 0.12, 5))
        waves[:, 2] *= hurry * rng.uniform(0.95, 1.05, 5)
        return cls(
            mean_rr_seconds=mean_rr_seconds,
            std_rr_seconds=rng.uniform(0.02, 0.05),
            lf_hf_ratio=rng.uniform(0.4, 1.2),
            breathing_hz=rng.uniform(0.20, 0.30),
            waves=waves,
        )


class Ecg(Simulator):
    """Lead II of one patient. The same seed, device and run give the same samples.

    device: which patient. run: which stretch of the patient's life; runs share the traits but neither rhythm nor noise.
    """

    kind: ClassVar = ECG
    frame_seconds: ClassVar = 4.0

    def __init__(
        self,
        *,
        seed: int = 0,
        device: int = 1,
        run: int = 0,
        faults: Sequence[Fault] = (),
        sample_rate_hz: float = SAMPLE_RATE_HZ,
    ) -> None:
        if sample_rate_hz < 125:
            raise ValueError(f"an ECG needs 125 Hz or more, not {sample_rate_hz:g}: else QRS is lost")
        super().__init__(sample_rate_hz, faults)
        self.traits = traits = HeartTraits.draw(generator(seed, device, _TRAITS))
        rhythm = SinusRhythm(
            traits.mean_rr_seconds,
            traits.std_rr_seconds,
            traits.lf_hf_ratio,
            traits.breathing_hz,
            generator(seed, device, _RHYTHM, run),
        )
        self._heart = Heart(rhythm, self._ectopy, generator(seed, device, _BEATS, run))
        self._noise = generator(seed, device, _NOISE, run)
        self._beats: deque[Beat] = deque()  # those whose waves reach into this frame or the next
        self._pull_before = 0.0
        self._z = np.zeros(1)

    def _ectopy(self, time_seconds: float) -> float:
        return PVC_PROBABILITY * float(self._severity("pvc", np.array([time_seconds]))[0])

    def _frame(self, time_seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        pull = BREATHING_MILLIVOLT * np.sin(2 * math.pi * self.traits.breathing_hz * time_seconds)
        self._follow_heart(time_seconds)
        for beat in self._beats:
            self._add_beat(beat, time_seconds, pull)
        millivolt = self._integrate(pull)
        millivolt += self._noise.normal(0, MUSCLE_MILLIVOLT, len(millivolt))
        millivolt += MAINS_MILLIVOLT * np.cos(2 * math.pi * MAINS_HZ * time_seconds)
        open_circuit = self._noise.normal(0, LEAD_OFF_MILLIVOLT, len(millivolt))
        return np.where(self._severity("lead_off", time_seconds) > 0, open_circuit, millivolt)[:, None]

    def _follow_heart(self, time_seconds: NDArray[np.float64]) -> None:
        """Hold exactly the beats whose waves reach into this frame."""
        ahead = 1.5  # seconds; the P wave of the slowest beat begins 1.4 s before its R wave
        if not self._beats or self._beats[-1].time_seconds <= time_seconds[-1] + ahead:
            self._beats.extend(self._heart.beats_until(time_seconds[-1] + ahead))
        while self._beats[0].time_seconds + _BEAT_ANGLES[1] / self._beats[0].omega < time_seconds[0]:
            self._beats.popleft()

    def _add_beat(self, beat: Beat, time_seconds: NDArray[np.float64], pull: NDArray[np.float64]) -> None:
        """Add the pull of one beat's waves, in mV/s, to `pull` [n]."""
        first, last = np.searchsorted(time_seconds, beat.time_seconds + np.array(_BEAT_ANGLES) / beat.omega)
        if first == last:
            return
        angle = beat.omega * (time_seconds[first:last] - beat.time_seconds)
        if beat.ventricular:
            waves = VENTRICULAR_WAVES
        else:
            now = np.array([beat.time_seconds])
            rise = float((self._severity("st_elevation", now) - self._severity("st_depression", now))[0])
            # a wave is a b² / ω high: turn the height that we want into the strength it takes
            st_strength = ST_MILLIVOLT * rise * beat.omega / (ST_WIDTH**2 * MILLIVOLT_PER_UNIT)
            waves = np.vstack((self.traits.waves, [ST_ANGLE, st_strength, ST_WIDTH]))
        offset = angle - waves[:, 0:1]  # [waves, n]
        pulls = waves[:, 1:2] * offset * np.exp(-(offset**2) / (2 * waves[:, 2:3] ** 2))
        pull[first:last] -= MILLIVOLT_PER_UNIT * pulls.sum(axis=0)

    def _integrate(self, pull: NDArray[np.float64]) -> NDArray[np.float64]:
        """Solve dz/dt = pull - z by the trapezoidal rule: z [n] in mV."""
        half_step = 0.5 / self.sample_rate_hz
        both = pull + np.concatenate(([self._pull_before], pull[:-1]))
        self._pull_before = float(pull[-1])
        gain, keep = half_step / (1 + half_step), (1 - half_step) / (1 + half_step)
        z, self._z = lfilter([gain], [1.0, -keep], both, zi=self._z)
        return np.asarray(z)

    def _faults_shown(self, time_seconds: NDArray[np.float64]) -> NDArray[np.uint8]:
        # premature beats come one by one: between them the signal is healthy, and labelled so
        mask = super()._faults_shown(time_seconds)
        early = np.zeros(len(mask), dtype=np.bool_)
        for beat in self._beats:
            if beat.ventricular:
                first, last = np.searchsorted(time_seconds, beat.time_seconds + np.array(_PVC_ANGLES) / beat.omega)
                early[first:last] = True
        for bit, fault in enumerate(self.faults):
            if fault.name == "pvc":
                mask = np.where(early, mask | (1 << bit), mask & ~np.uint8(1 << bit)).astype(np.uint8)
        return mask
