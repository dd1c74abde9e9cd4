"""What the recorded vectors of XFTP describe, made into our values."""

from __future__ import annotations

from typing import Any

from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.credentials import RouterCredentials
from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    AuthPublicKey,
    Ed448PrivateKey,
    Ed25519PrivateKey,
    X25519PrivateKey,
    X25519PublicKey,
    auth_public_key,
    private_key,
)
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.hosts import parse_host
from simplex_trio.wire.xftp import commands, errors, messages
from simplex_trio.wire.xftp.description import (
    FileDescription,
    FileParty,
    Packet,
    Redirect,
    Replica,
)

Fields = dict[str, Any]

REPLICA = Replica(
    ServerAddress.parse("xftp://AQID@router.example"), b"id", Ed25519PrivateKey(bytes(32))
)
PACKET = Packet(65536, bytes(32), (REPLICA,))
DESCRIPTION = FileDescription(
    party=FileParty.RECIPIENT,
    size=65536,
    digest=bytes(64),
    key=bytes(32),
    nonce=bytes(24),
    packet_size=65536,
    packets=(PACKET,),
)


def _keys(ders: list[str]) -> tuple[AuthPublicKey, ...]:
    return tuple(auth_public_key(bytes.fromhex(der)) for der in ders)


def _ids(values: list[str]) -> tuple[bytes, ...]:
    return tuple(map(bytes.fromhex, values))


def _dh_key(der: str) -> X25519PublicKey:
    return X25519PublicKey.from_der(bytes.fromhex(der))


def command_of(fields: Fields) -> commands.Command:
    """The command that a vector names and describes."""
    match fields["command"]:
        case "FNEW":
            password = fields["basic_auth"]
            return commands.FNEW(
                commands.PacketInfo(
                    auth_public_key(bytes.fromhex(fields["snd_key"])),
                    fields["size"],
                    bytes.fromhex(fields["digest"]),
                ),
                _keys(fields["rcv_keys"]),
                None if password is None else password.encode("latin-1"),
            )
        case "FADD":
            return commands.FADD(_keys(fields["rcv_keys"]))
        case "FGET":
            return commands.FGET(_dh_key(fields["dh_key"]))
        case tag:
            assert set(fields) == {"command"}
            return {kind.TAG: kind for kind in commands.COMMANDS}[tag.encode()]()


def message_of(fields: Fields) -> messages.Message:
    """The answer that a vector names and describes."""
    match fields["response"]:
        case "SIDS":
            return messages.SIDS(bytes.fromhex(fields["sender_id"]), _ids(fields["rcv_ids"]))
        case "RIDS":
            return messages.RIDS(_ids(fields["rcv_ids"]))
        case "FILE":
            return messages.FILE(_dh_key(fields["dh_key"]), bytes.fromhex(fields["nonce"]))
        case "ERR":
            return messages.ERR(error_of(fields["error"]))
        case tag:
            assert set(fields) == {"response"}
            return {kind.TAG: kind for kind in messages.MESSAGES}[tag.encode()]()


def error_of(fields: Fields) -> errors.XFTPErrorValue:
    """The error of a router that a vector describes."""
    match fields["type"]:
        case "CMD":
            return errors.Cmd(errors.CommandErrorKind(fields["cmd"]))
        case "BLOCKED":
            return errors.Blocked(errors.BlockingReason(fields["reason"]))
        case code:
            return errors.XFTPCode(code)


def key_of(fields: Fields | None) -> Any:
    """The private key that a vector has in several forms."""
    if fields is None:
        return None
    kinds: dict[str, Any] = {
        "ed25519": Ed25519PrivateKey,
        "ed448": Ed448PrivateKey,
        "x25519": X25519PrivateKey,
    }
    key = kinds[fields["alg"]].from_der(bytes.fromhex(fields["private_der"]))
    assert key.public.der.hex() == fields["public_der"]
    return key


def credentials_of(fields: list[Fields]) -> RouterCredentials:
    """The router whose chain of two certificates a vector has, with all keys."""
    leaf, authority = fields
    return RouterCredentials(
        ca_certificate=bytes.fromhex(authority["der"]),
        ca_key=key_of(authority["key"]),
        certificate=bytes.fromhex(leaf["der"]),
        key=key_of(leaf["key"]),
    )


def chain_of(fields: list[Fields]) -> CertificateChain:
    return credentials_of(fields).chain


def server_of(fields: Fields) -> ServerAddress:
    return ServerAddress(
        ServerProtocol.XFTP,
        tuple(parse_host(host["text"]) for host in fields["hosts"]),
        int(fields["port"]) if fields["port"] else None,
        bytes.fromhex(fields["key_hash"]),
    )


def _replica(fields: Fields) -> Replica:
    key = private_key(bytes.fromhex(fields["replica_key"]["private_der"]))
    assert isinstance(key, AuthPrivateKey)
    return Replica(server_of(fields["server"]), bytes.fromhex(fields["replica_id"]), key)


def description_of(fields: Fields) -> FileDescription:
    """The description that a vector describes; `DecodeError` if it contradicts itself."""
    redirect = fields["redirect"]
    numbers = [chunk["no"] for chunk in fields["chunks"]]
    assert numbers == list(range(1, len(numbers) + 1))
    return FileDescription(
        party=FileParty(fields.get("party", "recipient")),
        size=fields["size"],
        digest=bytes.fromhex(fields["digest"]),
        key=bytes.fromhex(fields["key"]),
        nonce=bytes.fromhex(fields["nonce"]),
        packet_size=fields["chunk_size"],
        packets=tuple(
            Packet(
                chunk["size"],
                bytes.fromhex(chunk["digest"]),
                tuple(map(_replica, chunk["replicas"])),
            )
            for chunk in fields["chunks"]
        ),
        redirect=None
        if redirect is None
        else Redirect(redirect["size"], bytes.fromhex(redirect["digest"])),
    )
