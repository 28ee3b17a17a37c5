"""Names as the vendors make them, in the shapes seen in real payloads."""

from __future__ import annotations

import hashlib
import secrets
import string

_BASE62 = string.ascii_letters + string.digits
_BASE58 = "".join(c for c in string.digits + string.ascii_uppercase + string.ascii_lowercase if c not in "0OIl")
_BASE36 = string.ascii_lowercase + string.digits


def random_id(prefix: str, length: int, *, alphabet: str = _BASE62) -> str:
    """`prefix` and `length` random characters."""
    return prefix + "".join(secrets.choice(alphabet) for _ in range(length))


def random_hex(prefix: str, digits: int = 32) -> str:
    """`prefix` and `digits` random hexadecimal digits."""
    return prefix + secrets.token_hex(digits // 2)


def random_base58(prefix: str, length: int = 22) -> str:
    """`prefix` and `length` random characters without 0, O, I and l."""
    return random_id(prefix, length, alphabet=_BASE58)


def random_base36(prefix: str, length: int) -> str:
    """`prefix` and `length` random lower-case letters and digits."""
    return random_id(prefix, length, alphabet=_BASE36)


def derived_hex(*seed: object) -> str:
    """32 hexadecimal digits that are always the same for the same seed."""
    return hashlib.blake2b("\x1f".join(map(str, seed)).encode(), digest_size=16).hexdigest()


def derived_base58(length: int, *seed: object) -> str:
    """`length` (at most 32) base 58 characters that are always the same for the same seed."""
    digest = hashlib.blake2b("\x1f".join(map(str, seed)).encode(), digest_size=32).digest()
    return "".join(_BASE58[byte % 58] for byte in digest[:length])
