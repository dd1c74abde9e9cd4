"""The consensus document: the nodes of the mixnet and their services.  Pure.

The daemon checks the document's signatures and hands it on without them.  Its nodes are CBOR inside
CBOR; one that cannot be read is left out, and does not make the others unusable.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from attrs import field

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.katzenpost.messages.capabilities import hash256
from simplex_trio.katzenpost.wire.cbor import decode
from simplex_trio.katzenpost.wire.fields import Fields
from simplex_trio.redaction import Redacted

__all__ = [
    "COURIER",
    "ECHO",
    "Destination",
    "Document",
    "Node",
    "Replica",
    "Service",
    "decode_document",
]

COURIER = "courier"
"""The service that carries envelopes to storage replicas."""

ECHO = "echo"
"""The service that sends back what it gets."""


@frozen(repr=False)
class Destination(Redacted):
    """Where a message to a service goes."""

    node_hash: bytes
    queue_id: bytes


@frozen
class Service:
    """A service at one node.  Everything in the document is public."""

    name: str
    node_name: str
    destination: Destination
    parameters: Mapping[str, Any]
    """What the node says about the service, as it came."""


@frozen
class Node:
    """A mix, a gateway, or a node that offers services."""

    name: str
    identity_key: bytes = field(repr=False)
    services: tuple[Service, ...]
    addresses: Mapping[str, tuple[str, ...]]
    """By kind of transport."""

    @property
    def hash(self) -> bytes:
        """Names the node in messages."""
        return hash256(self.identity_key)


@frozen
class Replica:
    """A node that stores boxes."""

    name: str
    replica_id: int
    identity_key: bytes = field(repr=False)


@frozen
class Document:
    """The consensus of one epoch, which lasts 20 minutes."""

    epoch: int
    layers: tuple[tuple[Node, ...], ...]
    """The mixes, in the order in which packets pass them."""
    gateways: tuple[Node, ...]
    service_nodes: tuple[Node, ...]
    replicas: tuple[Replica, ...]
    unreadable: int
    """How many nodes were left out because their descriptors cannot be read."""
    size: int
    """Bytes of it, as it came."""
    raw: Mapping[Any, Any] = field(repr=False)
    """All of it, as it came, with the descriptors of nodes still encoded."""

    def services(self, name: str) -> tuple[Service, ...]:
        """Every instance of a service; empty if there is none."""
        return tuple(
            service
            for node in self.service_nodes
            for service in node.services
            if service.name == name
        )


def decode_document(payload: bytes) -> Document:
    """Read a document as the daemon hands it on; raises `DecodeError`."""
    fields = Fields(decode(payload))
    unreadable = 0

    def nodes(encoded: list[Any]) -> tuple[Node, ...]:
        nonlocal unreadable
        found = []
        for each in encoded:
            try:
                found.append(_node(each))
            except DecodeError:
                unreadable += 1
        return tuple(found)

    layers = []
    for layer in fields.items("Topology"):
        if not isinstance(layer, list):
            raise DecodeError("a layer of mixes is not a list")
        layers.append(nodes(layer))
    replicas = []
    for each in fields.items("StorageReplicas"):
        try:
            replicas.append(_replica(Fields(each)))
        except DecodeError:
            unreadable += 1
    gateways = nodes(fields.items("GatewayNodes"))
    service_nodes = nodes(fields.items("ServiceNodes"))
    return Document(
        epoch=fields.unsigned("Epoch"),
        layers=tuple(layers),
        gateways=gateways,
        service_nodes=service_nodes,
        replicas=tuple(replicas),
        unreadable=unreadable,
        size=len(payload),
        raw=MappingProxyType(dict(fields.present())),
    )


def _node(encoded: object) -> Node:
    if not isinstance(encoded, bytes):
        raise DecodeError("the descriptor of a node is not bytes")
    fields = Fields(decode(encoded))
    name = fields.text("Name")
    identity_key = fields.binary("IdentityKey")
    if not identity_key:
        raise DecodeError("a node without an identity key")
    node_hash = hash256(identity_key)
    services = [
        service
        for capability, parameters in fields.mapping("Kaetzchen").items()
        if (service := _service(name, node_hash, capability, parameters)) is not None
    ]
    addresses = {
        kind: tuple(each for each in found if isinstance(each, str))
        for kind, found in fields.mapping("Addresses").items()
        if isinstance(kind, str) and isinstance(found, list)
    }
    return Node(name, identity_key, tuple(services), MappingProxyType(addresses))


def _service(
    node_name: str, node_hash: bytes, capability: object, parameters: object
) -> Service | None:
    """A service that messages can be sent to; other entries are ignored."""
    if not isinstance(capability, str) or not isinstance(parameters, dict):
        return None
    endpoint = parameters.get("endpoint")
    if not isinstance(endpoint, str) or not endpoint:
        return None
    try:
        queue_id = endpoint.encode()
    except UnicodeEncodeError:
        return None
    destination = Destination(node_hash, queue_id)
    return Service(capability, node_name, destination, MappingProxyType(parameters))


def _replica(fields: Fields) -> Replica:
    return Replica(fields.text("Name"), fields.unsigned("ReplicaID"), fields.binary("IdentityKey"))
