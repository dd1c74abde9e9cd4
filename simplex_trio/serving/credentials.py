"""A router's credentials, from the files of a folder.

The files are those of the reference's router, and can be copied from it: ``ca.crt`` with the
identity, ``server.crt`` with the leaf, alone or with the rest of the chain, and ``server.key``.
The key of the identity is not needed, and best kept elsewhere.  For browsers there are ``web.crt``
and ``web.key``, from any authority that browsers trust.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import trio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from simplex_trio.crypto.certificates import validate
from simplex_trio.crypto.credentials import (
    RouterCredentials,
    generate_router_credentials,
    load_chain_pem,
    load_key_pem,
)
from simplex_trio.crypto.pem import from_pem
from simplex_trio.errors import CertificateInvalid, DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.serving.config import ServingConfig
from simplex_trio.serving.toml import ConfigError
from simplex_trio.transport.tls import TlsCredentials, utc_now

__all__ = [
    "CredentialSource",
    "ShownCredentials",
    "configured_credentials",
    "configured_web_credentials",
    "load_credentials",
    "load_web_credentials",
]


@frozen(repr=False)
class ShownCredentials(Redacted):
    """What a router shows to its clients, and to browsers if it has ports for them."""

    router: RouterCredentials
    web: TlsCredentials | None


class CredentialSource:
    """Where a router's credentials come from, each time that they are needed.

    Given ones take the place of what the configuration says.
    """

    def __init__(
        self,
        config: ServingConfig,
        router: RouterCredentials | None = None,
        web: TlsCredentials | None = None,
    ) -> None:
        self._config = config
        self._router = router
        self._web = web

    async def load(self) -> ShownCredentials:
        """The credentials as they are now.

        Raises what `configured_credentials` and `configured_web_credentials` raise.
        """
        router = await configured_credentials(self._config, self._router)
        if self._config.credentials is None:
            self._router = router  # temporary ones stay the same as long as the router runs
        return ShownCredentials(router, await configured_web_credentials(self._config, self._web))


async def configured_credentials(
    config: ServingConfig, given: RouterCredentials | None
) -> RouterCredentials:
    """The given credentials, or those of the configured folder, or else new temporary ones.

    Raises what `load_credentials` raises.
    """
    if given is not None:
        return given
    if config.credentials is not None:
        return await load_credentials(config.credentials, at=utc_now())
    await trio.lowlevel.checkpoint()
    return generate_router_credentials(now=utc_now()).without_ca_key()


async def configured_web_credentials(
    config: ServingConfig, given: TlsCredentials | None
) -> TlsCredentials | None:
    """The same for browsers; `None` if the configuration has no ports for them.

    Raises `ConfigError` if there are ports and no credentials, or credentials and no ports, and
    what `load_web_credentials` raises.
    """
    if not config.web_ports:
        if given is not None:
            raise ConfigError("there are credentials for browsers, and no web_ports to use them on")
        return None
    if given is not None:
        return given
    if config.credentials is None:
        raise ConfigError("web_ports need credentials for browsers")
    return await load_web_credentials(config.credentials)


async def load_credentials(folder: Path, *, at: datetime) -> RouterCredentials:
    """The router's credentials in a folder.

    Raises `OSError` for files that cannot be read, `DecodeError` for invalid certificates or keys,
    and `CertificateError` for a chain that is not valid ``at`` this time, or not the key's.
    """
    place = trio.Path(folder)
    leaf = load_chain_pem(await (place / "server.crt").read_bytes()).certificates
    authorities: tuple[bytes, ...] = ()
    if await (place / "ca.crt").exists():
        authorities = load_chain_pem(await (place / "ca.crt").read_bytes()).certificates
    key = load_key_pem(await (place / "server.key").read_bytes())
    certificates = (*leaf, *(each for each in authorities if each not in leaf))
    if len(certificates) < 2:
        raise CertificateInvalid("the certificate of the identity is missing")
    certificate, identity, *operators = certificates
    credentials = RouterCredentials(
        certificate=certificate,
        ca_certificate=identity,
        operator_certificates=tuple(operators),
        key=key,
    )
    validate(credentials.chain, at=at)
    return credentials


async def load_web_credentials(folder: Path) -> TlsCredentials:
    """The credentials for browsers in a folder; certificates of all usual kinds are accepted.

    Raises `OSError` for files that cannot be read, and `DecodeError` for invalid contents.
    """
    place = trio.Path(folder)
    chain = from_pem("CERTIFICATE", await (place / "web.crt").read_bytes())
    key_text = await (place / "web.key").read_bytes()
    if not chain:
        raise DecodeError("there is no certificate for browsers")
    try:
        for certificate in chain:
            x509.load_der_x509_certificate(certificate)
        key = load_pem_private_key(key_text, None)
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    except (ValueError, TypeError) as exc:  # the latter for a key with a password
        raise DecodeError("the credentials for browsers cannot be read") from exc
    return TlsCredentials(chain, der)
