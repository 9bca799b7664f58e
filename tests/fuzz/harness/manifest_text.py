# A text becomes a Manifest, which survives a round trip, or a ManifestError; nothing else is raised.
"""Manifests of artifacts."""

from monitor.core.artifact.manifest import Manifest, ManifestError, parse_manifest


def one(data: bytes) -> None:
    try:
        manifest = parse_manifest(data.decode("utf-8", "replace"))
    except ManifestError:
        return
    assert isinstance(manifest, Manifest)
    assert parse_manifest(manifest.model_dump_json()) == manifest
    assert manifest.golden.windows.numpy().shape[1:] == (len(manifest.channels), manifest.window.length)
