"""Certificates for tests, made by openssl: an authority, a broker's and a client's certificate."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.own = Pair(folder / f"{name}.pem", folder / f"{name}.key")
        _openssl(*_NEW, "-subj", f"/CN={name}", "-keyout", self.own.key, "-out", self.own.certificate)

    def issue(self, name: str, alternatives: str) -> Pair:
        """Issue a certificate, e.g. for `DNS:localhost,IP:127.0.0.1`."""
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        signer = ("-CA", self.own.certificate, "-CAkey", self.own.key)
        names = ("-subj", f"/CN={name}", "-addext", f"subjectAltName={alternatives}")
        extensions = ("-addext", "basicConstraints=critical,CA:FALSE")
        _openssl(*_NEW, *signer, *names, *extensions, "-keyout", pair.key, "-out", pair.certificate)
        return pair


_NEW = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
