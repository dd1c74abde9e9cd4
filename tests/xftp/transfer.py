"""A program that sends or receives a file, to be killed at any time and started again.

It prints a line for every bit of progress, so that the process that kills it can choose where.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import trio

from simplex_trio.engine.backoff import Backoff
from simplex_trio.wire.xftp.description_text import decode_description, encode_description
from simplex_trio.xftp.files.config import TransferConfig
from simplex_trio.xftp.files.progress import TransferEvent
from simplex_trio.xftp.files.receive import receive_file
from simplex_trio.xftp.files.send import send_file

CONFIG = TransferConfig(backoff=Backoff(initial=0.001, maximum=0.002), attempts=3, parallel=2)


def tell(event: TransferEvent) -> None:
    print(event, flush=True)


def replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.replace(path)


def send(address: str, path: Path, state: Path, description: Path) -> None:
    sent = trio.run(partial(send_file, path, [address], state=state, config=CONFIG, tell=tell))
    replace(description, encode_description(sent.recipients[0]))


def receive(folder: Path, state: Path, description: Path) -> None:
    asked = decode_description(description.read_text())
    trio.run(partial(receive_file, asked, folder, state=state, config=CONFIG, tell=tell))


if __name__ == "__main__":
    print("begun", flush=True)
    match sys.argv[1:]:
        case ["send", address, path, state, description]:
            send(address, Path(path), Path(state), Path(description))
        case ["receive", folder, state, description]:
            receive(Path(folder), Path(state), Path(description))
