"""What a fit writes."""

from importlib.util import find_spec

from pydantic import field_validator

from monitor.settings.section import Section


class ExportSettings(Section):
    """What is written beside the artifact."""

    onnx: bool = False
    """Also write `VERSION.onnx`, for daemons with `scoring.engine = "onnx"` (needs the extra `onnx`)."""

    @field_validator("onnx")
    @classmethod
    def _installed(cls, onnx: bool) -> bool:
        missing = [name for name in ("onnx", "onnxruntime", "onnxscript") if onnx and find_spec(name) is None]
        if missing:
            raise ValueError(f"needs {', '.join(missing)}: pip install 'residuald[onnx]'")
        return onnx
