"""Signatures of bundles, by an Ed25519 key of the user's own, in the form in which SSH keeps keys.

The package `cryptography` makes and checks them; it comes with the extra `signing`.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, Final

import msgspec

from intel_grapher.errors import UsageError

ALGORITHM: Final = "ssh-ed25519"
PURPOSE: Final = b"intel-grapher evidence bundle 1\n"
"""What is signed before the manifest, so that a signature made for another purpose is none of a bundle."""
_LACKING: Final = "signatures need the package cryptography: install intel-grapher[signing]"


class Signature(msgspec.Struct, frozen=True):
    """A signature of a manifest: the signer's public key and the signature, both in Base64."""

    algorithm: str
    key: str
    signature: str

    @property
    def signer(self) -> str:
        """Return the public key, as `ssh-keygen -y` prints it."""
        return f"{self.algorithm} {_ssh_form(self.key)}"


class Signer:
    """Signs with the private key in a file. Raises UsageError where that is no Ed25519 key without a passphrase."""

    def __init__(self, path: Path) -> None:
        ed25519, serialization = _package()
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"the key {path} can't be read: {error.strerror}") from error
        try:
            load = serialization.load_ssh_private_key if b"OPENSSH" in data else serialization.load_pem_private_key
            key = load(data, None)
        except (ValueError, TypeError) as error:
            secret = isinstance(error, TypeError) or "assword" in str(error) or "ncrypted" in str(error)
            what = "has a passphrase: give one without" if secret else "is no private key"
            raise UsageError(f"{path} {what}; `ssh-keygen -t ed25519 -N '' -f FILE` makes one") from error
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise UsageError(f"{path} is no Ed25519 key; `ssh-keygen -t ed25519 -N '' -f FILE` makes one")
        self._key = key

    def sign(self, manifest: bytes) -> Signature:
        """Return the signature of a manifest."""
        public = self._key.public_key().public_bytes_raw()
        return Signature(ALGORITHM, _text(public), _text(self._key.sign(PURPOSE + manifest)))


def public_keys(path: Path) -> list[bytes]:
    """Return the Ed25519 keys of a file of public keys, one a line, as SSH has them. Raises UsageError for none."""
    ed25519, serialization = _package()
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UsageError(f"the keys {path} can't be read: {error.strerror}") from error
    found = []
    for line in lines:
        _, marked, rest = line.partition(ALGORITHM.encode() + b" ")
        if not marked or line.lstrip().startswith(b"#"):
            continue
        try:
            key = serialization.load_ssh_public_key(marked + rest)
        except ValueError:
            continue
        if isinstance(key, ed25519.Ed25519PublicKey):
            found.append(key.public_bytes_raw())
    if not found:
        raise UsageError(f"{path} has no public key of the kind {ALGORITHM}: give the signer's id_ed25519.pub")
    return found


def signature_fault(signature: Signature | None, manifest: bytes, trusted: list[bytes]) -> str:
    """Return what is wrong with the signature of a manifest; empty where nothing is.

    Without trusted keys there need be none. One that is there must hold, if it can be checked.
    """
    if signature is None:
        return "it is not signed" if trusted else ""
    try:
        ed25519, _ = _package()
    except UsageError:
        return _LACKING if trusted else ""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - of an extra

    try:
        key = base64.b64decode(signature.key, validate=True)
        ed25519.Ed25519PublicKey.from_public_bytes(key).verify(
            base64.b64decode(signature.signature, validate=True), PURPOSE + manifest
        )
    except (ValueError, InvalidSignature):
        return "its signature does not hold: it was changed, or signed by somebody else"
    if trusted and key not in trusted:
        return f"it is signed by {signature.signer}, which is none of the keys that you trust"
    return ""


def _package() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - of an extra
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - of an extra
    except ImportError as missing:
        raise UsageError(_LACKING) from missing
    return ed25519, serialization


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _ssh_form(key: str) -> str:
    """Return a public key as SSH writes it: the algorithm and the key, each after its length."""
    try:
        raw = base64.b64decode(key)
    except ValueError:
        return key
    name = ALGORITHM.encode()
    return _text(len(name).to_bytes(4, "big") + name + len(raw).to_bytes(4, "big") + raw)
