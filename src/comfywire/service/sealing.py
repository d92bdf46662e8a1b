"""Secrets at rest: encrypted in the database, with a key that is not in the database."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from comfywire.errors import ComfywireError

__all__ = ["FILE", "VARIABLE", "Sealer", "Unsealable", "WeakSecret", "service_secrets"]

FILE = "secret"
"""The file in the data folder."""
VARIABLE = "COMFYWIRE_SECRET"
SHORTEST = 16
"""Characters: fewer can be guessed."""


class Unsealable(ComfywireError):
    """Something was sealed with a secret that this process does not have."""


class WeakSecret(ComfywireError):
    """The secret that the operator gives can be guessed."""


class Sealer:
    """Encrypts what must not be read in the database.

    Args:
        secret: One or several: the first seals, each opens. So a secret is replaced in two rounds: first
            every process learns to open with the new one, ``old,new``, then to seal with it, ``new,old``.

    """

    def __init__(self, secret: str | Sequence[str]) -> None:
        self._secrets = [secret] if isinstance(secret, str) else list(secret)
        self._first, *others = [Fernet(_key(one)) for one in self._secrets]
        self._fernet = MultiFernet([self._first, *others])

    @classmethod
    def of(cls, data: Path, environment: Mapping[str, str] = os.environ) -> Self:
        """Return the service's: see :func:`service_secrets`, which raises what this does."""
        return cls(service_secrets(data, environment))

    def seal(self, content: Mapping[str, Any]) -> bytes:
        """Return ``content``, which is JSON, so that only :meth:`open` can read it."""
        return self._fernet.encrypt(json.dumps(dict(content), separators=(",", ":")).encode())

    def open(self, sealed: bytes) -> dict[str, Any]:
        """Return what was sealed.

        Raises:
            Unsealable: With another secret, or it was changed since.

        """
        try:
            content: dict[str, Any] = json.loads(self._fernet.decrypt(bytes(sealed)))
        except InvalidToken as error:
            raise Unsealable(
                f"a secret in the database cannot be read: it was sealed under another {VARIABLE}, or "
                f"another file '{FILE}' in the data folder; give the old one too, after a comma"
            ) from error
        return content

    def is_current(self, sealed: bytes) -> bool:
        """Whether this was sealed with the secret that seals now."""
        try:
            self._first.decrypt(bytes(sealed))
        except InvalidToken:
            return False
        return True

    def derived(self, purpose: str) -> bytes:
        """Return 32 bytes for another purpose than sealing, the same in each process of the service."""
        return _derived(self._secrets[0], purpose)

    def derived_of_all(self, purpose: str) -> list[bytes]:
        """Return what :meth:`derived` does, followed by the same of each other secret that still opens."""
        return [_derived(one, purpose) for one in self._secrets]


def service_secrets(data: Path, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return what the service's secrets are made from: COMFYWIRE_SECRET, else a file that is made once.

    The variable may hold several, with commas between, the one that seals first. The file is only for its
    owner to read.

    Raises:
        WeakSecret: One in the variable is too short.

    """
    given = [one for one in (part.strip() for part in environment.get(VARIABLE, "").split(",")) if one]
    if any(len(one) < SHORTEST for one in given):
        raise WeakSecret(
            f"{VARIABLE} has fewer than {SHORTEST} characters and can be guessed: take `openssl rand -hex 32`"
        )
    return given or [_from_file(data / FILE)]


def _from_file(path: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="ascii").strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="ascii", dir=path.parent, prefix=f".{FILE}-") as file:
        file.write(secrets.token_hex(32))  # 0600 from its beginning: tempfile sees to that
        file.flush()
        os.fsync(file.fileno())
        with contextlib.suppress(
            FileExistsError
        ):  # of two processes that start at once, one made it for both
            os.link(file.name, path)
    return path.read_text(encoding="ascii").strip()


def _key(secret: str) -> bytes:
    return base64.urlsafe_b64encode(_derived(secret, "sealing"))


def _derived(secret: str, purpose: str) -> bytes:
    info = f"comfywire {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret.encode())
