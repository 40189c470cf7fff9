"""Certificates, keys and authorities from PEM files, with errors that name option and file."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

__all__ = ["add_serving", "connecting", "serving"]


def add_serving(group: argparse._ArgumentGroup, cert: str, ca: str) -> None:
    """The options that `serving` reads; the arguments say what the first and the last are for."""
    group.add_argument("--tls-cert", metavar="FILE", help=cert)
    group.add_argument(
        "--tls-key", metavar="FILE", help="its key, a PEM file without password (--tls-cert)"
    )
    group.add_argument("--tls-ca", metavar="FILE", help=ca)


def serving(options: argparse.Namespace) -> ssl.SSLContext | None:
    """The context with which clients are served. Raises `OSError` and `ValueError`."""
    if options.tls_cert is None:
        for name in ("tls_key", "tls_ca", "secure_port"):
            if getattr(options, name, None) is not None:
                raise ValueError(f"--{name.replace('_', '-')} needs --tls-cert")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_own(context, "tls", options.tls_cert, options.tls_key)
    if options.tls_ca is not None:
        _load_authorities(context, "--tls-ca", options.tls_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def connecting(options: argparse.Namespace) -> ssl.SSLContext | None:
    """The context with which the proxy connects to servers. Raises `OSError` and `ValueError`."""
    if options.server_key is not None and options.server_cert is None:
        raise ValueError("--server-key needs --server-cert")
    if not (options.server_tls or options.server_ca or options.server_cert):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if options.server_ca is None:
        context.load_default_certs()
    else:
        _load_authorities(context, "--server-ca", options.server_ca)
    if options.server_cert is not None:
        _load_own(context, "server", options.server_cert, options.server_key)
    return context


def _load_own(context: ssl.SSLContext, prefix: str, cert: str, key: str | None) -> None:
    """A certificate and its key, which may be in one file."""
    try:
        # With a password, though an empty one, nobody is asked for it on the terminal.
        context.load_cert_chain(cert, key, password="")
    except OSError as error:  # ssl.SSLError is one
        named = f"--{prefix}-cert {cert}"
        if key is not None:
            named += f", --{prefix}-key {key}"
        lacking = _lacking(prefix, cert, key) if isinstance(error, ssl.SSLError) else None
        raise ValueError(lacking or f"{named}: {error.strerror or error}") from None


def _load_authorities(context: ssl.SSLContext, option: str, file: str) -> None:
    try:
        context.load_verify_locations(file)
    except OSError as error:
        raise ValueError(f"{option} {file}: {error.strerror or error}") from None


def _lacking(prefix: str, cert: str, key: str | None) -> str | None:
    """What is missing in the files: OpenSSL's own error is only "PEM lib"."""
    if b"CERTIFICATE-----" not in Path(cert).read_bytes():
        return f"--{prefix}-cert {cert}: the file has no certificate; expected a PEM file"
    pem = Path(key or cert).read_bytes()
    if b"PRIVATE KEY-----" not in pem:
        if key is None:
            return (
                f"--{prefix}-cert {cert}: the file has no key; give the file of its key: "
                f"--{prefix}-key"
            )
        return f"--{prefix}-key {key}: the file has no key; expected a PEM file"
    if b"ENCRYPTED" in pem:
        return f"--{prefix}-{'key' if key else 'cert'} {key or cert}: the key must have no password"
    return None
