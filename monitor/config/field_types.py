"""What keys of the configuration hold: bounded numbers, and paths taken from the right folder."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from monitor.settings.regular_file import check_regular


def _absolute(path: Path, info: ValidationInfo) -> Path:
    if "\0" in str(path):
        raise ValueError("must not hold a NUL character")
    return Path(info.context["folder"], path) if info.context else path.absolute()


def _credential(path: Path, info: ValidationInfo) -> Path:
    directory = info.context["credentials"] if info.context else None
    if directory is None or path.is_absolute():
        return _absolute(path, info)
    passed = _absolute(Path(directory, path), info)
    try:
        passed.stat()
    except (FileNotFoundError, NotADirectoryError):
        return _absolute(path, info)
    except OSError as error:
        raise ValueError(
            f"cannot look for {path} among the credentials of the unit, in {directory}: {error.strerror}"
        ) from None
    return passed


def _readable(path: Path) -> Path:
    try:
        check_regular(path)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    return path


def require_host(host: str) -> str:
    """Return the name or address of a host.

    Raises:
        ValueError: the system would not even look it up.

    """
    try:
        host.encode("idna")
    except UnicodeError:
        # not shown: somebody may have written a URL with a password
        raise ValueError("is no host: between the dots of its name stand 1 to 63 letters each") from None
    return host


def is_loopback(host: str) -> bool:
    """Whether a name or address is of this machine alone, as far as one can tell without a look-up."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def secrets_are_read(info: ValidationInfo) -> bool:
    """Whether files that hold secrets are looked at; where they are not, they are taken to be as they should."""
    return not info.context or info.context.get("secrets", True)


def _readable_secret(path: Path, info: ValidationInfo) -> Path:
    return _readable(path) if secrets_are_read(info) else path


BASE_TOPIC = "residuald"  # unless the configuration says otherwise
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Host = Annotated[str, AfterValidator(require_host)]
Port = Annotated[int, Field(ge=0, le=65535)]
AnyPath = Annotated[Path, AfterValidator(_absolute)]
ReadableFile = Annotated[AnyPath, AfterValidator(_readable)]
SecretFile = Annotated[Path, AfterValidator(_credential), AfterValidator(_readable_secret)]
