"""Representations compute what SciPy computes, show what they are there to show, and survive export."""

import io
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.signal import get_window, hilbert, spectrogram, welch
from torch import Tensor

from monitor.core.artifact.normalization_spec import NormalizationSpec
from monitor.core.scoring.normalize import Normalizer
from monitor.core.windows.stream_windows import WindowBatch
from trainer.data.normalization import normalization_spec
from trainer.data.windows import Windows, normalize
from trainer.errors import SettingsError
from trainer.representations import features_of, fit_representation
from trainer.representations.choice import suitable_representation
from trainer.representations.envelope_spectrum import EnvelopeSpectrum
from trainer.representations.level import Level
from trainer.representations.power import SMALLEST_DENSITY
from trainer.representations.representation import Representation
from trainer.representations.spectrogram import Spectrogram
from trainer.representations.spectrum import Spectrum
from trainer.settings import (
    NormalizationSettings,
    RawSettings,
    RepresentationSettings,
    SpectrumSettings,
    load_settings,
)

PERIOD = 0.01
ALL = [
    {"kind": "raw"},
    {"kind": "raw", "level": True},
    {"kind": "spectrum"},
    {"kind": "spectrum", "segment_samples": 15},
    {"kind": "envelope_spectrum", "band_hz": [10.0, 40.0]},
    {"kind": "spectrogram"},
]


def settings(**options: object) -> RepresentationSettings:
    chosen = load_settings(None, {"representation": options}).representation
    assert chosen is not None
    return chosen


def noise(count: int = 7, channels: int = 2, length: int = 60, seed: int = 0) -> Tensor:
    return torch.randn(count, channels, length, generator=torch.Generator().manual_seed(seed))


def neutral(x: Tensor) -> tuple[Tensor, Tensor]:
    return torch.zeros(x.shape[:2]), torch.ones(x.shape[:2])


def windows_of(
    values: np.ndarray, kind: str, spec: NormalizationSpec | None = None
) -> tuple[Windows, NormalizationSpec]:
    """Normalize as the daemon does. Of kind `stream`, all windows are one stream's."""
    values = values.astype(np.float32)
    spec = spec or normalization_spec(values, NormalizationSettings.model_validate({"kind": kind, "warmup_windows": 8}))
    count = len(values)
    times = np.arange(count, dtype=np.float64)
    batch = WindowBatch(np.zeros(count, np.int64), times, times, np.ones(count, np.float32), values)
    centre, scale, _ = Normalizer(spec, *values.shape[1:]).parameters(batch, np.ones(count, np.bool_))
    return Windows(values, np.array(centre), np.array(scale)), spec


def fitted(options: dict[str, object], values: np.ndarray, kind: str = "fixed") -> tuple[Representation, Windows]:
    windows, spec = windows_of(values, kind)
    return fit_representation(settings(**options), spec, windows, PERIOD)[0], windows


@pytest.mark.parametrize("segment", [8, 15, 60])
def test_the_spectrum_is_that_of_scipy(segment: int) -> None:
    x = noise() + 3.0
    found = Spectrum(2, segment, None)(x, *neutral(x))[:, :, :-2]
    _, expected = welch(x.double().numpy(), nperseg=segment, window="hann", detrend="constant")
    np.testing.assert_allclose(found.exp() - SMALLEST_DENSITY, expected[:, :, 1:], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("segment", [8, 15, 60])
def test_the_spectrogram_is_that_of_scipy(segment: int) -> None:
    x = noise() + 3.0
    representation = Spectrogram(2, 60, segment, None)
    found = representation(x, *neutral(x))
    assert found.shape[1:] == representation.shape
    hann = get_window("hann", segment)
    signal = x.numpy().astype(np.float64)
    overlap = segment // 2
    _, _, expected = spectrogram(signal, window=hann, nperseg=segment, noverlap=overlap)  # type: ignore[call-overload] # the stubs know no window array
    np.testing.assert_allclose(found[:, :, :-2].exp() - SMALLEST_DENSITY, expected[:, :, 1:], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("length", [60, 61])
def test_the_envelope_is_that_of_scipy(length: int) -> None:
    x = noise(length=length) + 3.0
    found = EnvelopeSpectrum(2, length, 16, None, None).envelope(x)
    centred = x.double() - x.double().mean(dim=2, keepdim=True)
    np.testing.assert_allclose(found, np.abs(hilbert(centred.numpy())), rtol=1e-3, atol=1e-5)


def test_the_envelope_spectrum_shows_how_often_something_rings_below_louder_noise() -> None:
    at = torch.arange(512) / 512
    ringing = (1 + torch.cos(2 * torch.pi * 16 * at)) * torch.cos(2 * torch.pi * 180 * at)
    x = ringing + 5 * torch.cos(2 * torch.pi * 40 * at) + 0.1 * noise(1, 1, 512)[0, 0]
    representation = EnvelopeSpectrum(1, 512, 256, (150 / 512, 210 / 512), None)
    lines = representation(x.view(1, 1, 512), *neutral(x.view(1, 1, 512)))[0, 0, :-2]
    assert int(lines.argmax()) + 1 == 16 // 2  # in steps of two cycles per window
    assert lines.max() - lines.median() > 5


def test_where_a_turn_begins_does_not_matter_to_the_spectrum() -> None:
    at = torch.arange(64) / 64
    x = torch.stack([torch.sin(2 * torch.pi * (8 * at + phase)) for phase in torch.linspace(0, 1, 9)]).unsqueeze(1)
    spectra = Spectrum(1, 16, None)(x, *neutral(x))[:, :, :-2]
    strongest = spectra[:, :, 1]
    assert float(strongest.max() - strongest.min()) < 1e-3


@pytest.mark.parametrize("kind", ["fixed", "window", "stream"])
@pytest.mark.parametrize("options", ALL[1:])
def test_a_shifted_and_a_louder_window_stand_out_whatever_normalizes(options: dict[str, object], kind: str) -> None:
    values = np.random.default_rng(0).normal(50, 2, (40, 2, 60))
    representation, windows = fitted(options, values, kind)
    normal = features_of(representation, windows).reshape(40, -1)
    _, spec = windows_of(values, kind)
    changed = np.concatenate([values[:38], values[38:39] + 10, (values[39:] - 50) * 5 + 50])
    features = features_of(representation, windows_of(changed, kind, spec)[0]).reshape(40, -1)
    assert float(normal[8:].abs().amax(dim=1).max()) < 8
    assert (features[38:].abs().amax(dim=1) > 8).all()


@pytest.mark.parametrize("options", ALL[2:])
def test_standardized_features_have_mean_0_and_spread_1_over_training_windows(options: dict[str, object]) -> None:
    representation, windows = fitted(options, np.random.default_rng(1).normal(5, 3, (300, 2, 60)))
    features = features_of(representation, windows).double()
    over = (0,) if features.ndim == 3 else (0, 3)
    np.testing.assert_allclose(features.mean(dim=over), 0, atol=1e-3)
    np.testing.assert_allclose(features.square().mean(dim=over), 1, atol=1e-2)


def test_raw_samples_keep_the_units_of_the_normalization_beside_their_level() -> None:
    representation, windows = fitted({"kind": "raw", "level": True}, np.random.default_rng(1).normal(5, 3, (30, 2, 60)))
    x = normalize(*(torch.from_numpy(each) for each in (windows.values, windows.centre, windows.scale)))
    np.testing.assert_array_equal(features_of(representation, windows)[:, :, :60], x)


@pytest.mark.parametrize("options", ALL)
def test_a_channel_at_rest_gives_finite_features(options: dict[str, object]) -> None:
    values = np.random.default_rng(2).normal(0, 1, (20, 2, 60))
    values[:, 1] = 7.0
    for kind in ("fixed", "window"):
        assert features_of(*fitted(options, values, kind)).isfinite().all()


@pytest.mark.parametrize("options", ALL)
def test_a_window_that_is_not_finite_spoils_only_its_own_features(options: dict[str, object]) -> None:
    representation, windows = fitted(options, np.random.default_rng(3).normal(0, 1, (20, 2, 60)))
    clean = features_of(representation, windows)
    windows.values[4, 1, 3] = np.nan
    spoiled = features_of(representation, windows)
    assert not spoiled[4, 1].isfinite().all()
    others = np.delete(np.arange(20), 4)
    np.testing.assert_allclose(spoiled[others], clean[others], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("options", ALL)
def test_what_was_learnt_survives_scripting_and_a_round_through_bytes(options: dict[str, object]) -> None:
    representation, windows = fitted(options, np.random.default_rng(4).normal(9, 3, (20, 2, 60)))
    inputs = [torch.from_numpy(each) for each in (windows.values, windows.centre, windows.scale)]
    x = normalize(*inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        buffer = io.BytesIO()
        torch.jit.save(torch.jit.script(representation.eval()), buffer)
        buffer.seek(0)
        loaded = torch.jit.freeze(torch.jit.load(buffer).eval())  # type: ignore[no-untyped-call] # torch does not type it
    np.testing.assert_allclose(loaded(x, *inputs[1:]), representation(x, *inputs[1:]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", ALL)
def test_the_shape_is_known_beforehand(options: dict[str, object]) -> None:
    representation, windows = fitted(options, np.random.default_rng(5).normal(0, 1, (20, 2, 60)))
    assert features_of(representation, windows).shape[1:] == representation.shape


def test_levels_of_windows_normalized_by_themselves_come_back_in_units_of_the_training_data() -> None:
    values = torch.tensor([[[101.0, 103.0, 101.0, 103.0]]])
    centre, scale = values.mean(dim=2), values.std(dim=2, correction=0)
    found = Level([2.0])(normalize(values, centre, scale).unsqueeze(2), centre, scale)
    np.testing.assert_allclose(found[0, 0, 0], [102 / 2, np.log(1 / 2)], rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"kind": "spectrum", "segment_samples": 61}, "61 samples .* longer than the window of 60"),
        ({"kind": "envelope_spectrum", "band_hz": [10.0, 51.0]}, "51 Hz .* half the sample rate, 50 Hz"),
    ],
)
def test_settings_that_do_not_suit_the_windows_say_so(options: dict[str, object], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        fitted(options, np.random.default_rng(5).normal(0, 1, (20, 2, 60)))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"kind": "cepstrum"}, "representation.kind: 'cepstrum' is not one of raw, spectrum"),
        ({"kind": "raw", "segment_samples": 8}, "representation.segment_samples: unknown key"),
        ({"kind": "envelope_spectrum", "band_hz": [40.0, 10.0]}, "from low to high"),
    ],
)
def test_settings_that_mean_nothing_are_refused(options: dict[str, object], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        settings(**options)


def test_what_was_left_open_is_described() -> None:
    windows, spec = windows_of(np.random.default_rng(5).normal(0, 1, (20, 2, 60)), "fixed")
    assert fit_representation(settings(kind="spectrum"), spec, windows, PERIOD)[1] == SpectrumSettings(
        segment_samples=15
    )


def vibration(rng: np.random.Generator) -> np.ndarray:
    at, phase = np.arange(100) / 100, rng.uniform(0, 1, (50, 2, 1))
    return np.sin(2 * np.pi * (12 * at + phase)) + rng.normal(0, 0.5, (50, 2, 100))


def heartbeats(rng: np.random.Generator) -> np.ndarray:
    at, beat = np.arange(100) / 100, rng.uniform(0, 1, (50, 2, 1))
    return np.exp(-(((at - beat) / 0.02) ** 2)) + rng.normal(0, 0.02, (50, 2, 100))


@pytest.mark.parametrize(
    ("signal", "rate_hz", "expected"),
    [
        (vibration, 100.0, SpectrumSettings()),
        (vibration, 1.0, RawSettings()),
        (heartbeats, 100.0, RawSettings()),
        (lambda rng: np.ones((50, 2, 100)), 100.0, RawSettings()),
    ],
)
def test_vibration_is_seen_by_its_spectrum_unless_told_otherwise_and_all_else_raw(
    signal: Callable[[np.random.Generator], np.ndarray], rate_hz: float, expected: RepresentationSettings
) -> None:
    windows, spec = windows_of(signal(np.random.default_rng(0)), "fixed")
    assert suitable_representation(windows, 1 / rate_hz) == expected
    found = fit_representation(None, spec, windows, 1 / rate_hz)[1]
    assert found.kind == expected.kind


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"model.family": "pca"}, None),
        ({"model.family": "conv"}, RawSettings()),
        ({"window.cut": "beat"}, RawSettings()),
        ({"window.cut": "beat", "representation.kind": "spectrum"}, SpectrumSettings()),
    ],
)
def test_cuts_and_families_that_are_made_for_samples_get_samples(
    given: dict[str, object], expected: RepresentationSettings | None
) -> None:
    assert load_settings(None, given).decided_representation == expected
