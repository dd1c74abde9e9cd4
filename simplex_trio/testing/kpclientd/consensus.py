"""A made-up consensus document, with the nodes and services that programs expect.  Pure."""

from __future__ import annotations

from simplex_trio.frozen import frozen
from simplex_trio.katzenpost.messages.capabilities import hash256
from simplex_trio.katzenpost.wire.cbor import encode
from simplex_trio.testing.kpclientd.boxes import ENVELOPE_SIZE, MAX_PLAINTEXT

__all__ = [
    "AUTHORITIES",
    "EPOCH_SECONDS",
    "MAX_MESSAGE",
    "PIGEONHOLE_GEOMETRY",
    "SPHINX_GEOMETRY",
    "Endpoint",
    "document",
    "endpoints",
    "signed_document",
]

EPOCH_SECONDS = 20 * 60

MAX_MESSAGE = 2000
"""The longest message to a service, in bytes, as in default networks."""

SPHINX_GEOMETRY: dict[str, int | str] = {
    "PacketLength": 3082,
    "NrHops": 5,
    "HeaderLength": 476,
    "RoutingInfoLength": 410,
    "PerHopRoutingInfoLength": 82,
    "SURBLength": 572,
    "SphinxPlaintextHeaderLength": 2,
    "PayloadTagLength": 32,
    "ForwardPayloadLength": 2574,
    "UserForwardPayloadLength": MAX_MESSAGE,
    "NextNodeHopLength": 65,
    "SPRPKeyMaterialLength": 64,
    "NIKEName": "x25519",
    "KEMName": "",
}

PIGEONHOLE_GEOMETRY: dict[str, int | str] = {
    "MaxPlaintextPayloadLength": MAX_PLAINTEXT,
    "CourierQueryReadLength": ENVELOPE_SIZE + 1,
    "CourierQueryWriteLength": ENVELOPE_SIZE + 1,
    "CourierQueryReplyReadLength": ENVELOPE_SIZE,
    "CourierQueryReplyWriteLength": ENVELOPE_SIZE,
    "NIKEName": "X25519",
    "SignatureSchemeName": "Ed25519",
}


def _key(name: str) -> bytes:
    return hash256(f"identity key of {name}".encode())


@frozen
class Endpoint:
    """The address of a service."""

    service: str
    node_hash: bytes
    queue_id: bytes


_SERVICES: dict[str, dict[str, str]] = {
    "servicenode1": {"echo": "+echo", "courier": "courier"},
    "servicenode2": {"echo": "+echo", "courier": "courier"},
}


def endpoints() -> list[Endpoint]:
    """Return all services of all nodes."""
    return [
        Endpoint(service, hash256(_key(node)), endpoint.encode())
        for node, services in _SERVICES.items()
        for service, endpoint in services.items()
    ]


def _node(name: str, epoch: int, services: dict[str, str] | None) -> bytes:
    offered = None if services is None else {k: {"endpoint": v} for k, v in services.items()}
    return encode(
        {
            "Name": name,
            "Epoch": epoch,
            "IdentityKey": _key(name),
            "LinkKey": _key(f"the link of {name}"),
            "MixKeys": {epoch: _key(f"{name} in {epoch}")},
            "Addresses": {"tcp4": ["127.0.0.1:30001"]},
            "Kaetzchen": offered,
            "KaetzchenAdvertizedData": None,
            "IsGatewayNode": name.startswith("gateway"),
            "IsServiceNode": name.startswith("servicenode"),
            "LoadWeight": 0,
            "AuthenticationType": "",
            "Version": "simulated",
        }
    )


def _replica(number: int, epoch: int) -> dict[str, object]:
    name = f"replica{number}"
    return {
        "Name": name,
        "ReplicaID": number,
        "Epoch": epoch,
        "IdentityKey": _key(name),
        "LinkKey": _key(f"the link of {name}"),
        "EnvelopeKeys": {epoch: _key(f"the envelopes of {name}")},
        "Addresses": {"tcp4": ["127.0.0.1:30002"]},
    }


def document(epoch: int, *, idle_service_node: bool = False) -> bytes:
    """Return the document of an epoch, in the form that the daemon passes on.

    With ``idle_service_node`` one node has null in place of its services, as real ones may.
    """
    service_nodes = [_node(name, epoch, services) for name, services in _SERVICES.items()]
    if idle_service_node:
        service_nodes.insert(0, _node("servicenode0", epoch, None))
    return encode(
        {
            "Epoch": epoch,
            "GenesisEpoch": 1,
            "Mu": 0.00025,
            "LambdaP": 0.00025,
            "Topology": [
                [_node(f"mix{layer}{number}", epoch, {}) for number in (1, 2)]
                for layer in (1, 2, 3)
            ],
            "GatewayNodes": [_node("gateway1", epoch, {})],
            "ServiceNodes": service_nodes,
            "StorageReplicas": [_replica(number, epoch) for number in range(3)],
            "SharedRandomCommit": None,
            "SharedRandomReveal": None,
            "SharedRandomValue": hash256(epoch.to_bytes(8, "big")),
            "PriorSharedRandom": [],
            "SphinxGeometryHash": bytes(32),
            "Version": "simulated",
            "PKISignatureScheme": "Ed25519",
        }
    )


_AUTHORITIES = ("auth1", "auth2", "auth3")


def _pem(kind: str, key: bytes) -> str:
    return f"-----BEGIN {kind}-----\n{key.hex()}\n-----END {kind}-----\n"


AUTHORITIES: list[dict[str, object]] = [
    {
        "identifier": name,
        "pki_signature_scheme": "Ed25519",
        "wire_kem_scheme": "x25519",
        "addresses": ["tcp://127.0.0.1:30003"],
        "identity_public_key_pem": _pem("ED25519 PUBLIC KEY", _key(name)),
        "link_public_key_pem": _pem("X25519 PUBLIC KEY", _key(f"the link of {name}")),
        "identity_key_hash": hash256(_key(name)),
    }
    for name in _AUTHORITIES
]


def signed_document(epoch: int, content: bytes) -> bytes:
    """Return the document of an epoch as a certificate with made-up signatures."""
    return encode(
        {
            "Version": 0,
            "Expiration": epoch + 5,
            "KeyType": "Ed25519",
            "Certified": content,
            "Signatures": {
                hash256(_key(name)): {
                    "PublicKeySum256": hash256(_key(name)),
                    "Payload": hash256(content + name.encode()) * 2,
                }
                for name in _AUTHORITIES
            },
        }
    )
