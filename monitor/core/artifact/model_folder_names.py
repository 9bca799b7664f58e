"""What lies in a model's folder beside its versions, by name; trainer and daemon agree on it here."""

from monitor.core.artifact.manifest import SIGNATURE_SUFFIX

CURRENT = "current"  # a link to the version in use
CANDIDATES = "candidates"  # a folder: versions that wait, each with its proposal
GENERATION_FILE = "generation.json"  # which version is in use, and why
GENERATIONS_FILE = "generations.jsonl"  # all generations, one a line
FROZEN_FILE = "frozen"  # there while nothing may be promoted but by a person
ANCHOR_FILE = "anchor.json"  # which version the others are held to
ANCHOR_DATA = "anchor"  # a folder: what that version was fitted to
LOCK_FILE = "lock"  # held by whoever changes what is in use

ARTIFACT_SUFFIX = ".pt"
ONNX_SUFFIX = ".onnx"
REPORT_SUFFIX = ".report.html"
PROPOSAL_SUFFIX = ".json"

# The files of a version, in the order in which they are written: who finds the artifact finds all that belongs to it.
VERSION_SUFFIXES = (
    REPORT_SUFFIX,
    ONNX_SUFFIX + SIGNATURE_SUFFIX,
    ONNX_SUFFIX,
    ARTIFACT_SUFFIX + SIGNATURE_SUFFIX,
    ARTIFACT_SUFFIX,
)
