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
"""The name of the file in the data folder."""
VARIABLE = "COMFYWIRE_SECRET"
SHORTEST = 16
"""Characters of a secret that the operator gives: a shorter one can be guessed."""


class Unsealable(ComfywireError):
    """A value in the database was sealed with a secret that this process does not have."""


class WeakSecret(ComfywireError):
    """The secret that the operator gives can be guessed."""


class Sealer:
    """Encrypts what must not be read in the database.

    Args:
        secret: One secret or several: the first seals, each opens. So an operator replaces a secret in two
            rounds of restarts: with ``old,new`` every process learns to open what the new secret sealed; only
            then, with ``new,old``, do processes seal with the new one. In one round, a process that was
            restarted would seal what another cannot open yet.

    """

    def __init__(self, secret: str | Sequence[str]) -> None:
        self._secrets = [secret] if isinstance(secret, str) else list(secret)
        self._first, *others = [Fernet(_key(each)) for each in self._secrets]
        self._fernet = MultiFernet([self._first, *others])

    @classmethod
    def of(cls, data: Path, environment: Mapping[str, str] = os.environ) -> Self:
        """Return a sealer with the secrets of :func:`service_secrets`; raises what that function does."""
        return cls(service_secrets(data, environment))

    def seal(self, content: Mapping[str, Any]) -> bytes:
        """Return ``content``, a JSON object, encrypted so that only :meth:`open` can read it."""
        return self._fernet.encrypt(json.dumps(dict(content), separators=(",", ":")).encode())

    def open(self, sealed: bytes) -> dict[str, Any]:
        """Return the content that :meth:`seal` got.

        Raises:
            Unsealable: Another secret sealed the content, or the sealed bytes were changed since.

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
        """Whether ``sealed`` was sealed with the secret that seals now, rather than a former one."""
        try:
            self._first.decrypt(bytes(sealed))
        except InvalidToken:
            return False
        return True

    def derived(self, purpose: str) -> bytes:
        """Return 32 bytes for another purpose than sealing, the same in each process of the service."""
        return _derived(self._secrets[0], purpose)

    def derived_of_all(self, purpose: str) -> list[bytes]:
        """Return the bytes of :meth:`derived`, then the same derived from each secret that only opens."""
        return [_derived(secret, purpose) for secret in self._secrets]


def service_secrets(data: Path, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return what the service's secrets are made from: COMFYWIRE_SECRET, else a file that is made once.

    The variable may contain several secrets with commas between them; the first seals. Only the file's owner
    can read the file.

    Raises:
        WeakSecret: A secret in the variable is too short.

    """
    given = [secret for part in environment.get(VARIABLE, "").split(",") if (secret := part.strip())]
    if any(len(secret) < SHORTEST for secret in given):
        raise WeakSecret(
            f"{VARIABLE} has fewer than {SHORTEST} characters and can be guessed: take `openssl rand -hex 32`"
        )
    return given or [_from_file(data / FILE)]


def _from_file(path: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="ascii").strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="ascii", dir=path.parent, prefix=f".{FILE}-") as file:
        file.write(secrets.token_hex(32))  # tempfile creates the file with mode 0600: it is never readable
        file.flush()
        os.fsync(file.fileno())
        # A link is made whole or not at all, and never over a file that is there: of two processes that
        # start at once, the first gives both its secret, since both read the file below.
        with contextlib.suppress(FileExistsError):
            os.link(file.name, path)
    return path.read_text(encoding="ascii").strip()


def _key(secret: str) -> bytes:
    return base64.urlsafe_b64encode(_derived(secret, "sealing"))


def _derived(secret: str, purpose: str) -> bytes:
    info = f"comfywire {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret.encode())
