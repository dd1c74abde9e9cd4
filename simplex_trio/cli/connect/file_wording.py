"""Events about files as a line for people, and as JSON for programs.  Pure."""

from __future__ import annotations

from typing import Any, assert_never

from simplex_trio.cli.addresses import place_of
from simplex_trio.duplex.file_events import (
    AnyFileEvent,
    FileDelayed,
    FileDeleted,
    FileFailed,
    FileNeedsApproval,
    FileProblem,
    FileProgress,
    FileReceived,
    FileSent,
)

__all__ = ["file_fields", "file_problem_words", "file_sentence"]

_PROBLEMS = {
    FileProblem.NETWORK: "routers cannot be reached",
    FileProblem.QUOTA: "the routers are full",
    FileProblem.SPACE: "there is no room for it on the disk",
    FileProblem.REFUSED: "the routers refuse",
    FileProblem.UNREADABLE: "the file cannot be read any more",
    FileProblem.CHANGED: "the file has changed meanwhile; send it again",
    FileProblem.DESTINATION: "it cannot be put where it should be",
    FileProblem.GONE: "the routers do not have it any more: it has expired, was deleted, or was "
    "received before",
    FileProblem.DAMAGED: "what the routers have is not what was described",
    FileProblem.REDIRECT: "the description leads to something else than it says",
    FileProblem.TOO_LARGE: "it is too large",
    FileProblem.EXPIRED: "it took too long",
}


def file_problem_words(problem: FileProblem) -> str:
    """What went wrong with a file, as a part of a sentence."""
    return _PROBLEMS[problem]


def file_sentence(event: AnyFileEvent) -> str:
    """An event as a line."""
    match event:
        case FileSent():
            return "a file is on its routers"
        case FileReceived():
            return f"a file was received: {event.path}"
        case FileNeedsApproval():
            routers = ", ".join(map(place_of, event.servers))
            return f"a file is on routers that are not yours: {routers}"
        case FileDelayed():
            return f"a file has to wait: {_PROBLEMS[event.problem]}; trying again"
        case FileFailed():
            return f"a file was given up: {_PROBLEMS[event.problem]}"
        case FileDeleted():
            return "a file is deleted from its routers"
        case FileProgress():
            return f"{event.phase.value}: {event.done} of {event.total} bytes"
        case _:
            assert_never(event)


def file_fields(event: AnyFileEvent) -> dict[str, Any]:
    """An event as a JSON object, with its kind in ``event``."""
    kind, more = _kind_and_fields(event)
    return {"event": kind, "file": event.file_id} | more


def _kind_and_fields(event: AnyFileEvent) -> tuple[str, dict[str, Any]]:
    match event:
        case FileSent():
            described = {"descriptions": list(event.recipients), "private": list(event.own)}
            return "file_sent", described
        case FileReceived():
            return "file_received", {"path": event.path}
        case FileNeedsApproval():
            return "file_needs_approval", {"routers": list(map(place_of, event.servers))}
        case FileDelayed():
            return "file_delayed", {"problem": event.problem.value}
        case FileFailed():
            return "file_failed", {"problem": event.problem.value}
        case FileDeleted():
            return "file_deleted", {"left": event.left}
        case FileProgress():
            progress = {"phase": event.phase.value, "done": event.done, "total": event.total}
            return "file_progress", progress
        case _:
            assert_never(event)
