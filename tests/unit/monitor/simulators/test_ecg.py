"""The simulated heart against its model, its rhythm's spectrum, and what its faults look like to a physician."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.signal import find_peaks, welch

from monitor.core.dataset.recording import Recording
from monitor.simulators import ecg
from monitor.simulators.ecg import MILLIVOLT_PER_UNIT, SAMPLE_RATE_HZ, Ecg
from monitor.simulators.fault import Episode, Fault
from monitor.simulators.noise import generator
from monitor.simulators.rhythm import Heart, SinusRhythm


def recorded(*faults: Fault, seconds: float = 120, **settings: Any) -> tuple[Recording, tuple[Episode, ...]]:
    return Ecg(faults=faults, **settings).record(seconds, "bed-1")


def r_peaks(recording: Recording) -> NDArray[np.int64]:
    """Samples of the QRS complexes, normal and premature, by their steep edges."""
    steepness = np.abs(np.gradient(recording.samples[:, 0].astype(np.float64)) * SAMPLE_RATE_HZ)
    energy = np.convolve(steepness**2, np.hanning(25), mode="same")
    return np.asarray(find_peaks(energy, height=energy.max() * 0.1, distance=70)[0])


def sinus_template(recording: Recording, beats: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean beat, from 0.25 s before to 0.45 s after R."""
    return np.asarray(np.mean([recording.samples[at - 62 : at + 112, 0] for at in beats[1:-1]], axis=0))


HEALTHY, _ = recorded()


def test_the_signal_solves_the_three_dimensional_model_of_the_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    for noise in ("MUSCLE_MILLIVOLT", "MAINS_MILLIVOLT"):
        monkeypatch.setattr(ecg, noise, 0.0)
    monkeypatch.setattr(SinusRhythm, "rr_seconds", lambda *_: 0.8)
    simulator = Ecg()
    first_r = simulator._heart._sinus.time_seconds
    recording, _ = simulator.record(20, "bed-1")
    omega = 2 * math.pi / 0.8
    waves, breathing = simulator.traits.waves, 2 * math.pi * simulator.traits.breathing_hz

    def model(time: float, state: NDArray[np.float64]) -> list[float]:
        x, y, z = state
        alpha = 1 - math.hypot(x, y)
        offset = (math.atan2(y, x) - waves[:, 0] + math.pi) % (2 * math.pi) - math.pi
        pull = -np.sum(waves[:, 1] * offset * np.exp(-(offset**2) / (2 * waves[:, 2] ** 2)))
        baseline = 0.15 / MILLIVOLT_PER_UNIT * math.sin(breathing * time)
        return [alpha * x - omega * y, alpha * y + omega * x, pull - (z - baseline)]

    start = -omega * first_r
    solution = solve_ivp(
        model, (0, 20), [math.cos(start), math.sin(start), 0], t_eval=recording.time_seconds, rtol=1e-7, atol=1e-9
    )
    settled = recording.time_seconds > 8  # eight time constants after the first, incomplete beat
    difference = (recording.samples[:, 0] - MILLIVOLT_PER_UNIT * solution.y[2])[settled]
    assert np.abs(difference).max() < 0.02
    assert np.ptp(recording.samples[settled, 0]) > 1.0


def test_p_q_r_s_and_t_come_in_their_order() -> None:
    beat = sinus_template(HEALTHY, r_peaks(HEALTHY))
    r = int(beat.argmax())
    p = int(beat[: r - 15].argmax())
    q = p + int(beat[p:r].argmin())
    s = r + int(beat[r : r + 20].argmin())
    t = s + int(beat[s:].argmax())
    assert p < q < r < s < t
    assert beat[q] < min(beat[p], beat[r])
    assert beat[s] < min(beat[r], beat[t])
    assert 0.08 < (r - p) / SAMPLE_RATE_HZ < 0.22
    assert 0.6 < beat[r] - beat[q] < 2.5  # mV


def test_rr_intervals_have_the_two_peaks_of_heart_rate_variability() -> None:
    rhythm = SinusRhythm(0.8, 0.05, 0.5, 0.25, generator(1))
    rr = np.array([rhythm.rr_seconds(second / 2) for second in range(20_000)])
    assert rr.mean() == pytest.approx(0.8, abs=0.002)
    assert rr.std() == pytest.approx(0.05, rel=0.1)
    frequency, power = welch(rr - rr.mean(), 2.0, nperseg=1024)
    low, high = (frequency > 0.05) & (frequency < 0.15), (frequency > 0.2) & (frequency < 0.3)
    assert frequency[low][power[low].argmax()] == pytest.approx(0.1, abs=0.02)
    assert frequency[high][power[high].argmax()] == pytest.approx(0.25, abs=0.02)
    assert power[low].sum() / power[high].sum() == pytest.approx(0.5, rel=0.2)
    assert power[low | high].sum() > 0.95 * power.sum()


def test_the_heart_beats_at_the_mean_rate_of_the_patient() -> None:
    traits = Ecg().traits
    rr = np.diff(r_peaks(HEALTHY)) / SAMPLE_RATE_HZ
    assert rr.mean() == pytest.approx(traits.mean_rr_seconds, rel=0.03)
    assert rr.std() == pytest.approx(traits.std_rr_seconds, rel=0.5)


def test_a_premature_beat_comes_early_and_the_pause_after_it_makes_up_for_it() -> None:
    steady = SinusRhythm(0.8, 0.0, 1.0, 0.25, generator(2))
    beats = Heart(steady, lambda _: 0.3, generator(3)).beats_until(600)
    early = [index for index, beat in enumerate(beats[:-1]) if beat.ventricular]
    assert len(early) > 100
    for index in early:
        before, beat, after = beats[index - 1 : index + 2]
        assert 0.55 * 0.8 <= beat.time_seconds - before.time_seconds <= 0.68 * 0.8
        assert after.time_seconds - before.time_seconds == pytest.approx(2 * 0.8)
        assert not before.ventricular
        assert not after.ventricular


def test_premature_beats_are_wide_with_t_reversed_and_they_alone_are_labelled() -> None:
    recording, episodes = recorded(Fault(name="pvc", onset_seconds=30, severity=0.3), seconds=300)
    assert len(episodes) > 10
    assert recording.labels is not None
    labelled = np.concatenate(([0], recording.labels, [0]))
    assert np.count_nonzero(np.diff(labelled) == 1) == len(episodes)
    assert episodes[0].start_seconds > 30
    normal = sinus_template(HEALTHY, r_peaks(HEALTHY)).astype(np.float64)
    for episode in episodes:
        start, end = (round(at * SAMPLE_RATE_HZ) for at in (episode.start_seconds, episode.end_seconds))
        beat = recording.samples[start:end, 0].astype(np.float64)
        assert width_seconds(beat) > 1.8 * width_seconds(normal)
        t_wave = beat[int(beat.argmax()) + round(0.2 * SAMPLE_RATE_HZ) :]
        assert t_wave.min() < -0.3  # discordant: T points away from QRS


def width_seconds(beat: NDArray[np.float64]) -> float:
    """How long the R wave is above half its height over the beat's median."""
    peak = int(beat.argmax())
    above = beat > (beat[peak] + np.median(beat)) / 2
    first, last = peak, peak
    while above[first - 1]:
        first -= 1
    while above[last + 1]:
        last += 1
    return (last - first + 1) / SAMPLE_RATE_HZ


@pytest.mark.parametrize(("name", "sign"), [("st_elevation", 1), ("st_depression", -1)])
def test_the_st_segment_moves_by_the_stated_height(name: str, sign: int) -> None:
    changed, _ = recorded(Fault(name=name, onset_seconds=30, ramp_seconds=20, severity=0.8))
    after = HEALTHY.time_seconds > 52
    added = (changed.samples - HEALTHY.samples)[after, 0].astype(np.float64) * sign
    height = np.array([piece.max() for piece in np.array_split(added, 60)])
    assert height.mean() == pytest.approx(0.8 * 0.3, rel=0.2)
    beats = r_peaks(HEALTHY)
    inside = [at for at in beats if after[at] and at + 40 < len(HEALTHY.samples)]
    st_level = np.mean([(changed.samples - HEALTHY.samples)[at + 25, 0] * sign for at in inside])  # R + 0.1 s
    assert st_level > 0.15
    np.testing.assert_array_equal(
        changed.samples[HEALTHY.time_seconds < 29], HEALTHY.samples[HEALTHY.time_seconds < 29]
    )


def test_a_lead_that_is_off_gives_a_flat_line_with_noise_and_comes_back() -> None:
    off, episodes = recorded(Fault(name="lead_off", onset_seconds=20, end_seconds=40))
    assert episodes == (Episode("lead_off", 20.0, 40.0),)
    flat = off.samples[20 * 250 : 40 * 250, 0]
    assert 0 < flat.std() < 0.01
    assert np.abs(flat).max() < 0.05
    np.testing.assert_array_equal(off.samples[40 * 250 :], HEALTHY.samples[40 * 250 :])


def test_patients_differ_and_a_patient_stays_themselves_in_another_run() -> None:
    other_run = Ecg(run=1)
    np.testing.assert_array_equal(other_run.traits.waves, Ecg().traits.waves)
    assert (other_run.record(20, "bed-1")[0].samples != HEALTHY.samples[:5000]).mean() > 0.9
    assert (Ecg(device=2).traits.waves != Ecg().traits.waves).any()


def test_the_sample_rate_does_not_change_the_beats() -> None:
    finer, _ = recorded(sample_rate_hz=500.0)
    beats, finer_beats = r_peaks(HEALTHY), finer.samples[::2, 0]
    assert np.corrcoef(finer_beats, HEALTHY.samples[:, 0])[0, 1] > 0.99
    assert len(beats) > 100


def test_a_rate_that_loses_qrs_is_refused() -> None:
    with pytest.raises(ValueError, match="needs 125 Hz"):
        Ecg(sample_rate_hz=100.0)
