"""What keys of the configuration hold: bounded numbers, and paths taken from the right folder."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo


def _absolute(path: Path, info: ValidationInfo) -> Path:
    return Path(info.context["folder"], path) if info.context else path.absolute()


def _credential(path: Path, info: ValidationInfo) -> Path:
    directory = info.context["credentials"] if info.context else None
    if directory is not None and not path.is_absolute() and Path(directory, path).exists():
        return Path(directory, path)
    return _absolute(path, info)


def _readable(path: Path) -> Path:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    return path


BASE_TOPIC = "residuald"  # unless the configuration says otherwise
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=0, le=65535)]
AnyPath = Annotated[Path, AfterValidator(_absolute)]
ReadableFile = Annotated[AnyPath, AfterValidator(_readable)]
SecretFile = Annotated[Path, AfterValidator(_credential), AfterValidator(_readable)]
