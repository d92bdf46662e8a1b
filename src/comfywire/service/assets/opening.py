"""An asset store by its URL: a folder, or what fsspec speaks to; and what is said when it cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import fsspec

from comfywire.errors import ComfywireError, MissingExtra

__all__ = ["UnusableStore", "open_store", "reason_of", "remedy_of", "without_password"]

REMEDY = "see that this process may write there, or name another store with --assets"
S3_REMEDY = "check --assets, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL"


class UnusableStore(ComfywireError):
    """No asset store can be had under this URL, or it does not take bytes and give them back."""


def open_store(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the file system of a store, and the path in it.

    Raises:
        MissingExtra: The store is on S3, and the extra for S3 is not installed.
        UnusableStore: Nothing here speaks to a store of that kind.

    """
    try:
        files, root = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        if url.startswith(("s3:", "s3a:")):
            raise MissingExtra("an asset store on S3", "s3") from error
        raise UnusableStore(f"the asset store {url!r} needs a package of its own: {error}") from error
    except ValueError as error:
        raise UnusableStore(f"{url!r} is no asset store: name a folder, or s3://bucket/prefix") from error
    return files, root


def without_password(url: str) -> str:
    """Return ``url`` as a message may show it."""
    scheme, mark, rest = url.rpartition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}{mark}{place.rpartition('@')[2]}{slash}{path}" if mark else url


def remedy_of(files: Any) -> str:
    """Return what an operator looks at when the store of this file system cannot be used."""
    return S3_REMEDY if "s3" in files.protocol else REMEDY


def reason_of(error: Exception) -> str:
    """Return what a store says, on one line."""
    said = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return " ".join(said.split()).rstrip(".")
