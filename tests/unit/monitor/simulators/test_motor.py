"""Each fault of the simulated motor, against the formula that says what it looks like."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import butter, hilbert, sosfiltfilt, welch

from monitor.core.dataset.recording import Recording
from monitor.simulators.catalogue import Profile
from monitor.simulators.fault import Fault
from monitor.simulators.motor import (
    CHANNELS,
    HARMONICS_G,
    RATED_CURRENT_AMPERE,
    SAMPLE_RATE_HZ,
    THERMAL_TIME_CONSTANT_SECONDS,
    Motor,
)

SECONDS = 20
ONSET_SECONDS = 4.0
SHAFT_HZ = 25.0 * (1 - 0.04 * 0.75)  # two pole pairs on 50 Hz, slip at three quarters of the load
LINE_HZ = 50.0


def recorded(*faults: Fault, profile: Profile = Profile.STEADY, seconds: float = SECONDS, **settings: Any) -> Recording:
    return Motor(profile=profile, faults=faults, **settings).record(seconds, "motor-1")[0]


def after_onset(recording: Recording, channel: str) -> NDArray[np.float64]:
    column = recording.samples[:, CHANNELS.index(channel)].astype(np.float64)
    return column[round((ONSET_SECONDS + 1) * SAMPLE_RATE_HZ) :]


def spectral_amplitude(signal: NDArray[np.float64], frequency_hz: float) -> float:
    """The peak amplitude of a sinusoid near a frequency. Two-second windows, as the load lets the shaft wander."""
    frequencies, power = welch(signal, SAMPLE_RATE_HZ, nperseg=2000, nfft=16000, scaling="spectrum", detrend="constant")
    return float(np.sqrt(2 * power[np.abs(frequencies - frequency_hz) < 0.5].max()))


def amplitude(recording: Recording, channel: str, frequency_hz: float) -> float:
    return spectral_amplitude(after_onset(recording, channel), frequency_hz)


def envelope(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """The envelope around the housing's resonance, where bearing faults are read."""
    band = butter(4, [250, 430], btype="bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    return np.asarray(np.abs(hilbert(sosfiltfilt(band, signal))))


def envelope_peak_hz(signal: NDArray[np.float64]) -> float:
    spectrum = np.abs(np.fft.rfft((envelope(signal) - envelope(signal).mean()) * np.hanning(len(signal))))
    frequencies = np.fft.rfftfreq(len(signal), 1 / SAMPLE_RATE_HZ)
    return float(frequencies[10 + spectrum[10:].argmax()])


HEALTHY = recorded()


def test_healthy_vibration_has_harmonics_of_the_shaft_of_the_tabled_size() -> None:
    for row, channel in enumerate(("vib_x", "vib_y", "vib_z")):
        for order in (1, 2, 3, 4):
            expected = HARMONICS_G[row, order - 1] * (SHAFT_HZ / 25) ** 2
            assert amplitude(HEALTHY, channel, order * SHAFT_HZ) == pytest.approx(expected, rel=0.6)
    assert amplitude(HEALTHY, "vib_x", 77.7) < 0.001  # and nothing in between


def test_healthy_current_is_a_sine_of_the_line_frequency_that_follows_the_load() -> None:
    rms = math.hypot(0.35, math.sqrt(1 - 0.35**2) * 0.75) * RATED_CURRENT_AMPERE
    assert amplitude(HEALTHY, "current", LINE_HZ) == pytest.approx(math.sqrt(2) * rms, rel=0.05)


def test_the_motor_slips_with_its_load() -> None:
    idle = Motor(profile=Profile.LOAD_STEPS, seed=3).record(120, "m")[0]
    current = idle.samples[:, CHANNELS.index("current")].reshape(-1, 1000).std(axis=1)
    windows = (idle.samples[:, 0] - idle.samples[:, 0].mean()).reshape(-1, 1000) * np.hanning(1000)
    padded = np.abs(np.fft.rfft(windows, n=64000, axis=1))[:, : 64 * 40]
    shaft_hz = padded.argmax(axis=1) / 64
    assert np.corrcoef(current, shaft_hz)[0, 1] < -0.8
    assert 23.9 < shaft_hz.min() < shaft_hz.max() < 24.8


def test_variable_speed_moves_the_shaft_and_imbalance_grows_with_speed_squared() -> None:
    motor = recorded(Fault(name="imbalance", severity=1.0), profile=Profile.VARIABLE_SPEED, seconds=200)
    vibration = motor.samples[:, 0].reshape(-1, 1000)
    spectrum = np.abs(
        np.fft.rfft((vibration - vibration.mean(axis=1, keepdims=True)) * np.hanning(1000), n=16000, axis=1)
    )
    shaft_hz = spectrum[:, : 16 * 40].argmax(axis=1) / 16
    steady = np.abs(np.diff(shaft_hz, prepend=shaft_hz[0])) + np.abs(np.diff(shaft_hz, append=shaft_hz[-1])) < 0.05
    size = spectrum[:, : 16 * 40].max(axis=1)
    exponent = np.polyfit(np.log(shaft_hz[steady]), np.log(size[steady]), 1)[0]
    assert shaft_hz[steady].max() > 1.3 * shaft_hz[steady].min()
    assert exponent == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("name", [name for name in Motor.kind.faults if not name.startswith("sensor")])
def test_nothing_differs_before_the_onset_and_something_does_after(name: str) -> None:
    faulty = recorded(Fault(name=name, onset_seconds=ONSET_SECONDS, severity=1.0))
    onset = round(ONSET_SECONDS * SAMPLE_RATE_HZ)
    np.testing.assert_array_equal(faulty.samples[:onset], HEALTHY.samples[:onset])
    assert (faulty.samples[onset:] != HEALTHY.samples[onset:]).any()
    assert faulty.labels is not None
    np.testing.assert_array_equal(np.flatnonzero(faulty.labels), np.arange(onset, SECONDS * 1000))


def test_imbalance_adds_a_rotating_force_at_1x() -> None:
    faulty = recorded(Fault(name="imbalance", onset_seconds=ONSET_SECONDS, severity=0.8))
    added = after_onset(faulty, "vib_x") - after_onset(HEALTHY, "vib_x")
    assert spectral_amplitude(added, SHAFT_HZ) == pytest.approx(0.8 * 0.25 * (SHAFT_HZ / 25) ** 2, rel=0.05)
    assert spectral_amplitude(added, 2 * SHAFT_HZ) < 0.001
    across = after_onset(faulty, "vib_y") - after_onset(HEALTHY, "vib_y")
    phase = np.angle(np.vdot(hilbert(added), hilbert(across)))
    assert abs(phase) == pytest.approx(math.pi / 2, abs=0.1)


def test_misalignment_shows_at_2x_along_the_axis() -> None:
    faulty = recorded(Fault(name="misalignment", onset_seconds=ONSET_SECONDS, severity=0.8))
    added = {channel: after_onset(faulty, channel) - after_onset(HEALTHY, channel) for channel in ("vib_x", "vib_z")}
    axial = spectral_amplitude(added["vib_z"], 2 * SHAFT_HZ)
    assert axial == pytest.approx(0.8 * 0.15 * (SHAFT_HZ / 25) ** 2, rel=0.1)
    assert axial > 2 * spectral_amplitude(added["vib_x"], 2 * SHAFT_HZ)
    assert axial > 2 * spectral_amplitude(added["vib_z"], SHAFT_HZ)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_outer_race_impacts_peak_at_bpfo_in_the_envelope_spectrum(seed: int) -> None:
    faulty = recorded(Fault(name="bearing_outer", onset_seconds=ONSET_SECONDS, severity=0.5), seed=seed)
    bpfo_hz = 9 / 2 * SHAFT_HZ * (1 - 7.94 / 39.04)
    assert envelope_peak_hz(after_onset(faulty, "vib_x")) == pytest.approx(bpfo_hz, rel=0.005)
    surroundings = [bpfo_hz + offset for offset in (-SHAFT_HZ, SHAFT_HZ)]
    size = spectral_amplitude(envelope(after_onset(faulty, "vib_x")), bpfo_hz)
    assert all(spectral_amplitude(envelope(after_onset(faulty, "vib_x")), at) < size / 5 for at in surroundings)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_inner_race_impacts_peak_at_bpfi_with_sidebands_of_the_shaft(seed: int) -> None:
    faulty = recorded(Fault(name="bearing_inner", onset_seconds=ONSET_SECONDS, severity=0.8), seed=seed)
    ringing = envelope(after_onset(faulty, "vib_x"))
    bpfi_hz = 9 / 2 * SHAFT_HZ * (1 + 7.94 / 39.04)
    peak = spectral_amplitude(ringing, bpfi_hz)
    assert peak > 3 * spectral_amplitude(envelope(after_onset(HEALTHY, "vib_x")), bpfi_hz)
    floor = spectral_amplitude(ringing, bpfi_hz + SHAFT_HZ / 2)
    assert spectral_amplitude(ringing, SHAFT_HZ) > 10 * floor  # in and out of the load zone, once per turn
    assert spectral_amplitude(ringing, bpfi_hz - SHAFT_HZ) > 10 * floor
    assert spectral_amplitude(ringing, bpfi_hz + SHAFT_HZ) > 1.5 * floor  # weak: the housing rings too long to follow


def test_looseness_shows_half_orders_and_truncated_peaks() -> None:
    faulty = recorded(Fault(name="looseness", onset_seconds=ONSET_SECONDS, severity=0.8))
    for order in (0.5, 1.5, 2.5):
        assert amplitude(faulty, "vib_y", order * SHAFT_HZ) > 10 * amplitude(HEALTHY, "vib_y", order * SHAFT_HZ)
    vibration = after_onset(faulty, "vib_y")
    assert (vibration == vibration.min()).mean() > 0.05  # it rests at the stop
    assert (vibration == vibration.max()).mean() < 0.01  # but not on the other side


def test_current_asymmetry_shakes_at_twice_the_line_frequency_and_induces_a_third_harmonic() -> None:
    faulty = recorded(Fault(name="current_asymmetry", onset_seconds=ONSET_SECONDS, severity=0.8))
    added = after_onset(faulty, "vib_x") - after_onset(HEALTHY, "vib_x")
    assert spectral_amplitude(added, 2 * LINE_HZ) == pytest.approx(0.8 * 0.05 * 0.75, rel=0.1)
    positive = amplitude(HEALTHY, "current", LINE_HZ)
    assert amplitude(faulty, "current", 3 * LINE_HZ) == pytest.approx(0.8 * 0.08 * positive, rel=0.1)
    negative = after_onset(faulty, "current") - after_onset(HEALTHY, "current")
    assert spectral_amplitude(negative, LINE_HZ) == pytest.approx(0.8 * 0.25 * positive, rel=0.1)


def test_overheating_follows_the_first_order_thermal_model() -> None:
    faulty = recorded(Fault(name="overheating", onset_seconds=100.0, severity=0.6), seconds=3000)
    celsius = faulty.samples[:, CHANNELS.index("temperature")].reshape(-1, 1000).mean(axis=1)
    ambient = Motor(profile=Profile.STEADY).traits.ambient_celsius
    start = celsius[:100].mean()
    factor = 1 + 1.5 * 0.6  # hindered cooling multiplies the rise and the time constant
    final = ambient + (start - ambient) * factor
    after = np.arange(2900) + 0.5
    expected = final + (start - final) * np.exp(-after / (THERMAL_TIME_CONSTANT_SECONDS * factor))
    assert np.abs(celsius[100:] - expected).max() < 1.0
    assert celsius[-1] > start + 25


def test_a_stuck_sensor_keeps_the_value_it_had() -> None:
    fault = Fault(name="sensor_stuck", onset_seconds=ONSET_SECONDS, end_seconds=10.0, channel="vib_z")
    faulty = recorded(fault)
    stuck = slice(4000, 10000)
    assert (faulty.samples[stuck, 2] == HEALTHY.samples[4000, 2]).all()
    np.testing.assert_array_equal(faulty.samples[stuck, :2], HEALTHY.samples[stuck, :2])
    np.testing.assert_array_equal(faulty.samples[10000:], HEALTHY.samples[10000:])


def test_dropout_loses_the_stated_part_of_the_samples_in_bursts_and_leaves_the_others_alone() -> None:
    faulty = recorded(Fault(name="sensor_dropout", severity=0.6), seconds=120)
    missing = np.isnan(faulty.samples).all(axis=1)
    np.testing.assert_array_equal(missing, np.isnan(faulty.samples).any(axis=1))
    assert missing.mean() == pytest.approx(0.3, abs=0.05)
    bursts = np.count_nonzero(np.diff(missing.astype(int)) == 1)
    assert missing.sum() / bursts > 3
    np.testing.assert_array_equal(faulty.samples[~missing], recorded(seconds=120).samples[~missing])


def test_a_ramp_lets_a_fault_grow() -> None:
    faulty = recorded(Fault(name="imbalance", onset_seconds=4, ramp_seconds=10, severity=1.0))
    added = np.abs(hilbert((faulty.samples[:, 0] - HEALTHY.samples[:, 0]).astype(np.float64)))
    full = added[15000:19000].mean()
    assert added[8900:9100].mean() == pytest.approx(full / 2, rel=0.1)


def test_motors_of_one_type_differ_and_a_motor_stays_itself_in_another_run() -> None:
    def profile(**key: Any) -> NDArray[np.float64]:
        recording = recorded(**key)
        return np.array([amplitude(recording, "vib_x", order * SHAFT_HZ) for order in (1, 2, 3, 4)])

    same_motor, other_motor = profile(run=1) / profile(), profile(device=2) / profile()
    assert np.abs(np.log(same_motor)).max() < 0.1
    assert np.abs(np.log(other_motor)).max() > 0.1
    assert (recorded(run=1).samples[:, :4] != HEALTHY.samples[:, :4]).all(axis=1).mean() > 0.99


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"faults": [Fault(name="rust")]}, "no fault 'rust'; the faults are: imbalance"),
        ({"faults": [Fault(name="sensor_stuck", channel="noise")]}, "no channel 'noise'; it has: vib_x"),
        ({"sample_rate_hz": 500.0}, "needs 1000 Hz"),
        ({"faults": [Fault(name="imbalance")] * 9}, "at most 8 faults"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Motor(**settings)
