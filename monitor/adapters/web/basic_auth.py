"""HTTP basic authentication (RFC 7617) against bcrypt hashes.

Comparing with a bcrypt hash is slow on purpose: one comparison runs at a time, so that guessing cannot take the
processor from monitoring, and a password that was right once is recognized at once.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
from collections.abc import Mapping

import bcrypt
from pydantic import SecretStr

_LONGEST_PASSWORD_BYTES = 72  # bcrypt does not look further


class BasicAuth:
    """Users by name with the hashes of their passwords. With no users, everybody may come in."""

    def __init__(self, users: Mapping[str, SecretStr]) -> None:
        self._hashes = {name: hash_.get_secret_value().encode() for name, hash_ in users.items()}
        self._key = secrets.token_bytes(32)  # what is remembered is of no use outside this process
        self._known: dict[str, bytes] = {}  # user -> the digest of the right password
        self._comparing = threading.Lock()

    def admits(self, authorization: str | None) -> bool:
        """Whether an `Authorization` header (None: there is none) names a user and the right password."""
        if not self._hashes:
            return True
        user, password = _credentials(authorization or "")
        if not user or len(password) > _LONGEST_PASSWORD_BYTES:
            return False
        digest = hmac.digest(self._key, password, hashlib.sha256)
        if hmac.compare_digest(self._known.get(user, b""), digest):
            return True
        # an unknown user is compared as well, with anybody's hash: how long it takes must not tell who exists
        hash_ = self._hashes.get(user) or next(iter(self._hashes.values()))
        with self._comparing:
            right = bcrypt.checkpw(password, hash_) and user in self._hashes
        if right:
            self._known[user] = digest
        return right


def _credentials(authorization: str) -> tuple[str, bytes]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", b""
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
        name, colon, password = decoded.partition(b":")
        return (name.decode(), password) if colon and b"\0" not in password else ("", b"")
    except (binascii.Error, ValueError):  # not base64, not ASCII, not UTF-8
        return "", b""
