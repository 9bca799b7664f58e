"""With any one channel masked, false alarms stay within what was asked, and a fault in another channel is found."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from monitor.core.artifact.manifest import Manifest
from monitor.core.dataset.recording import Recording
from monitor.core.scoring.quality import QUALITIES, Quality
from monitor.core.streams.scored_batch import ScoredBatch
from monitor.core.values.scorer import ScoreBatch
from monitor.simulators.motor import Motor
from tests.manifests import model_group_of
from tests.sines import data_file, sine_recording
from trainer.artifact.export import CompiledScorer
from trainer.data.cutting import cut
from trainer.data.gathering import gather
from trainer.data.split import Part
from trainer.data.windows import Windows
from trainer.fitting.fit import FitResult, fit
from trainer.fitting.masking import fit_masking
from trainer.settings import load_settings

# in alerts of k = n = 1, windows above the threshold: so many that a minute of two motors shows some
ASKED = 0.02
RATE = {"calibration.rule": "quantile", "calibration.setting": 1 - ASKED}


def motor(device: int, run: int, seconds: float) -> Recording:
    recording, _ = Motor(seed=0, device=device, run=run).record(seconds, f"motor-{device}-{run}")
    return replace(recording, labels=None)


def fitted(recordings: list[Recording], more: dict[str, object]) -> FitResult:
    settings = load_settings(None, {**RATE, "split.cross_fit": False, "training.max_epochs": 40, **more})
    corpus = gather([data_file(recording) for recording in recordings], settings)
    return fit(corpus, settings, "motor", datetime(2025, 1, 2, tzinfo=UTC), lambda *_: None)


@pytest.fixture(scope="module", params=["dense", "pca"])
def motors(request: pytest.FixtureRequest) -> FitResult:
    return fitted([motor(device, 0, 180) for device in (1, 2)], {"model.family": request.param})


def judged(scorer: CompiledScorer, manifest: Manifest, recording: Recording) -> ScoredBatch:
    """Judge the windows of a recording as the daemon does."""
    batch = cut(data_file(recording), 0, manifest.channel_names, manifest.window, manifest.sample_period_seconds).batch
    model_group = model_group_of(manifest)
    model_group.open_stream("s", {}, [list(range(len(manifest.measured_names)))])
    prepared = model_group.prepare(batch)
    use = prepared.judged
    errors = scorer.errors(Windows(prepared.windows.values[use], prepared.centre[use], prepared.scale[use]))
    return model_group.conclude(prepared, ScoreBatch(*errors))


def each_masked(recording: Recording) -> Iterator[tuple[int, Recording]]:
    """The recording with each of its channels missing, and which one."""
    for channel in range(len(recording.channels)):
        samples = recording.samples.copy()
        samples[:, channel] = np.nan
        yield channel, replace(recording, samples=samples)


def test_with_any_channel_masked_a_fault_in_another_is_found_and_healthy_motors_stay_calm(motors: FitResult) -> None:
    healthy = [motor(device, 9, 90) for device in (1, 2)]
    found: list[float] = []
    alarms: list[float] = []
    for recording in healthy:
        for masked, spoilt in each_masked(recording):
            calm = judged(motors.scorer, motors.manifest, spoilt)
            assert {QUALITIES[code] for code in calm.quality} == {Quality.MASKED}
            alarms.append(float(np.mean(calm.score > 1)))
            for faulty in set(range(len(recording.channels))) - {masked}:
                samples = spoilt.samples.copy()
                usual = samples[:, faulty].mean()
                samples[:, faulty] = usual + 4 * (samples[:, faulty] - usual)
                done = judged(motors.scorer, motors.manifest, replace(spoilt, samples=samples))
                found.append(float(np.mean(done.score > 1)))
    assert min(found) > 0.9
    assert max(alarms) <= 1.5 * ASKED  # of each motor without each channel


def test_of_two_channels_masked_at_once_it_is_as_true(motors: FitResult) -> None:
    recording = motor(1, 9, 90)
    recording.samples[:, [0, 3]] = np.nan
    assert np.mean(judged(motors.scorer, motors.manifest, recording).score > 1) <= 2 * ASKED
    recording.samples[:, 2] *= 4
    assert np.mean(judged(motors.scorer, motors.manifest, recording).score > 1) > 0.9


def test_what_stands_in_for_vibration_is_a_usual_window_for_a_flat_line_has_no_spectrum(motors: FitResult) -> None:
    masking = motors.manifest.masking
    assert motors.manifest.representation == "spectrum"
    assert masking is not None
    assert (masking.stand_in.numpy().std(axis=1) > 0).all()
    # a mask makes little difference to what the other channels are reconstructed to
    assert max(threshold or np.inf for threshold in masking.threshold) < 2 * motors.manifest.threshold


@pytest.mark.parametrize("kind", ["fixed", "window", "stream"])
def test_what_stands_in_for_raw_samples_is_the_centre(kind: str) -> None:
    more = {"representation.kind": "raw", "window.length": 50, "window.stride": 10, "normalization.kind": kind}
    recordings = [sine_recording(3000, seed=seed) for seed in (1, 2)]
    result = fitted(recordings, {**more, "model.family": "pca", "normalization.warmup_windows": 40})
    masking = result.manifest.masking
    assert masking is not None
    assert (masking.stand_in.numpy() == 0).all()
    assert (masking.centre is not None) == (kind == "window")
    recording = sine_recording(3000, seed=3)
    recording.samples[1000:, 1] = np.nan
    done = judged(result.scorer, result.manifest, recording)
    assert QUALITIES[done.quality[-1]] is Quality.MASKED
    assert np.nanmean(done.score[-150:] > 1) <= 0.1


def test_a_heart_of_one_lead_has_nothing_to_mask() -> None:
    corpus = gather([data_file(sine_recording(3000, seed=1))], load_settings(None, {}))
    windows = corpus.parts[Part.TRAIN]
    assert fit_masking(windows, [], lambda _: [], load_settings(None, {}).calibration, [False], own=False) is None


def test_a_model_of_more_channels_than_are_masked_one_by_one_has_a_threshold_for_each() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(4000, 4)) @ rng.normal(size=(4, 40))
    samples = (shared + 0.3 * rng.normal(size=shared.shape)).astype(np.float32)
    names = tuple(f"c{at}" for at in range(40))
    wide = replace(sine_recording(4000), channels=names, samples=samples, labels=None)
    more = {"representation.kind": "raw", "window.length": 10, "window.stride": 10, "model.family": "pca"}
    masking = fitted([wide], more).manifest.masking
    assert masking is not None
    assert len(masking.threshold) == 40
    assert None not in masking.threshold
    assert masking.pair_threshold == ()
