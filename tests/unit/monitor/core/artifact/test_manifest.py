"""A manifest that exists is valid; one that is not is refused with every reason."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitor.core.artifact.array import Array
from monitor.core.artifact.manifest import Manifest, ManifestError, parse_manifest
from tests.manifests import array_fields, manifest_fields


def parse(fields: dict[str, Any]) -> Manifest:
    return parse_manifest(json.dumps(fields))


def changed(path: str, value: Any) -> dict[str, Any]:
    """The fields of a valid manifest, with the one at a dotted path replaced (None: taken out)."""
    fields = manifest_fields(("x", "y"))
    *parents, last = path.split(".")
    inner: Any = fields
    for key in parents:
        inner = inner[int(key)] if isinstance(inner, list) else inner[key]
    if value is None:
        del inner[last]
    else:
        inner[int(last) if isinstance(inner, list) else last] = value
    return fields


def test_a_valid_manifest_survives_the_way_through_json() -> None:
    manifest = parse(manifest_fields(("x", "y")))
    assert manifest.channel_names == ("x", "y")
    assert parse_manifest(manifest.model_dump_json()) == manifest


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("schema_version", 2, "schema_version: Value error, manifest of schema 2, this program reads schema 1"),
        ("threshold", None, "threshold: Field required"),
        ("threshold", 0, "threshold: Input should be greater than 0"),
        ("threshold", float("nan"), "threshold: Input should be a finite number"),
        ("model", "no/slash", "model: String should match"),
        ("channels.0.name", 'x"', "channels.0.name: String should match"),
        ("channels.1.name", "x", "channel names must differ"),
        ("channels", [], "channels: Tuple should have at least 1 item"),
        ("surprise", 1, "surprise: Extra inputs are not permitted"),
        ("window.length", 1, "window.length: Input should be greater than or equal to 2"),
        ("window.length", 9, "golden windows have shapes"),
        ("window.cut", "hops", "window.cut: Input should be 'sliding' or 'beat'"),
        ("window.cut", "beat", "`beat` belongs to cut `beat`, and only to it"),
        ("window.beat", {"before_samples": 2, "max_rr_seconds": 3.0}, "`beat` belongs to cut `beat`"),
        ("channels.0.derived", True, "takes measured channels, then [] as derived ones"),
        ("normalization.kind", "window", "`centre` and `scale` belong to kind `fixed`"),
        ("normalization.centre", None, "`centre` and `scale` belong to kind `fixed`"),
        ("normalization.scale", [1.0], "normalization.scale has 1 numbers for 2 channels"),
        ("normalization.scale_floor", [1.0, 0.0], "normalization.scale_floor.1: Input should be greater than 0"),
        ("representation", "", "representation: String should match"),
        ("score", {"residual": "median"}, "score.residual: Input should be 'mean_square', 'variance' or 'covariance'"),
        ("score", {"latent_weight": -1}, "score.latent_weight: Input should be greater than or equal to 0"),
        ("score", {"entropy": 1}, "score.entropy: Extra inputs are not permitted"),
        ("sample_period_seconds", -1, "sample_period_seconds: Input should be greater than 0"),
        ("golden.windows", {"shape": [1, 2, 8], "float32_base64": "AAAA"}, "golden.windows: Value error"),
        ("golden.windows", {"shape": [], "float32_base64": "!"}, "golden.windows: Value error"),
        ("golden.error", array_fields(np.zeros(2, np.float32)), "golden windows have shapes"),
    ],
)
def test_what_is_wrong_is_told_with_its_path(path: str, value: Any, complaint: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse(changed(path, value))
    assert complaint in str(caught.value)


def test_a_kind_that_finds_its_own_numbers_may_not_bring_half_of_them() -> None:
    fields = manifest_fields(kind="window")
    fields["normalization"]["centre"] = [0.0]
    with pytest.raises(ManifestError, match="belong to kind `fixed`, and only to it"):
        parse(fields)


def test_all_that_is_wrong_is_told_at_once() -> None:
    fields = manifest_fields() | {"threshold": -1, "sample_period_seconds": 0, "family": "a b"}
    with pytest.raises(ManifestError) as caught:
        parse(fields)
    assert all(name in str(caught.value) for name in ("threshold", "sample_period_seconds", "family"))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema_version": 1}'])
def test_what_is_no_manifest_is_refused_in_words(text: str) -> None:
    with pytest.raises(ManifestError):
        parse_manifest(text)


@given(text=st.text(max_size=50))
def test_no_text_does_anything_but_be_refused(text: str) -> None:
    with pytest.raises(ManifestError):
        parse_manifest(text)


@given(values=arrays(np.float32, st.tuples(st.integers(0, 3), st.integers(0, 3))))
def test_an_array_survives_bit_by_bit(values: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    again = Array.model_validate_json(Array.of(values).model_dump_json()).numpy()
    assert again.shape == values.shape
    assert again.dtype == np.float32
    assert again.tobytes() == values.astype("<f4").tobytes()


def test_a_decoded_array_may_be_written_to() -> None:
    array = Array.of(np.zeros(3)).numpy()
    array[0] = 1
    assert array.tolist() == [1, 0, 0]


def test_what_a_newer_trainer_wrote_is_told_as_that_and_what_it_changed_besides_is_not() -> None:
    fields = manifest_fields(schema_version=2) | {"moods": []}
    del fields["threshold"]
    with pytest.raises(ManifestError) as caught:
        parse_manifest(json.dumps(fields))
    assert str(caught.value).endswith("written by a newer trainer: update residuald on this machine")
    assert "threshold" not in str(caught.value)
    with pytest.raises(ManifestError, match=r"^moods: Extra inputs .* written by a newer trainer"):
        parse_manifest(json.dumps(manifest_fields() | {"moods": []}))
    with pytest.raises(ManifestError, match=r"reads schema 1; written by an older trainer: fit the model anew"):
        parse_manifest(json.dumps(manifest_fields(schema_version=0)))


def test_all_refits_of_a_line_name_the_artifact_that_a_person_fitted() -> None:
    first = Manifest.model_validate(manifest_fields(version="1"))
    parent = first.parent_of_refits("ab" * 32)
    assert (parent.version, parent.sha256) == ("1", "ab" * 32)
    fields = manifest_fields(version="2")
    fields["provenance"] |= {"parent": parent.model_dump()}
    second = parse_manifest(json.dumps(fields))
    assert second.parent_of_refits("cd" * 32) == parent


@pytest.mark.parametrize("sha256", ["", "ab", "AB" * 32, "ab" * 32 + "\n", "../" + "a" * 61])
def test_a_parent_without_a_checksum_is_refused(sha256: str) -> None:
    fields = manifest_fields()
    fields["provenance"] |= {"parent": {"version": "1", "sha256": sha256}}
    with pytest.raises(ManifestError, match=r"provenance\.parent\.sha256"):
        parse_manifest(json.dumps(fields))
