"""The types that programs see: mypy checks these functions, and no test runs them.

`assert_never` after a `match` fails to check as soon as an event is missing from a union.
"""

from __future__ import annotations

from typing import assert_never, assert_type

import simplex_trio as st
from simplex_trio import chat


async def clients() -> None:
    async with st.open_smp_client("smp://...") as client:
        assert_type(client, st.SMPClient)
        assert_type(client.events, st.EventStream[st.ClientEvent])
        assert_type(await client.create_queue(), st.ReceivingQueue)
        assert_type(await client.send(b"", b""), None)
    async with st.open_ntf_client("ntf://...") as ntf:
        assert_type(ntf.events, st.EventStream[st.EngineEvent])
    async with st.open_router() as router:
        assert_type(router, st.Router)
        assert_type(router.address, st.ServerAddress)


async def client_events(client: st.SMPClient) -> str:
    async for event in client.events:
        match event:
            case st.MessageReceived() | st.QuotaReached() | st.SealedMessage():
                return "from a queue"
            case st.Notice() | st.ErrorEvent():
                return "unasked"
            case st.ExpiredResponse() | st.UnexpectedResponse():
                return "an answer"
            case _:
                assert_never(event)
    return ""


async def agent_events(agent: st.SMPClientAgent) -> str:
    assert_type(agent.events, st.AgentEvents)
    async for event in agent.events:
        assert_type(event.destination, st.Destination)
        match event:
            case st.RouterEvent(event=inner):
                assert_type(inner, st.ClientEvent)
                return "delivered"
            case st.Connected() | st.Disconnected() | st.CannotConnect():
                return "connection"
            case st.Subscribed() | st.SubscriptionError() | st.SubscriptionEnded():
                return "queues"
            case (
                st.ServiceSubscribed()
                | st.ServiceSubscriptionError()
                | st.ServiceUnavailable()
                | st.ServiceDisconnected()
                | st.ServiceEnded()
            ):
                return "service"
            case _:
                assert_never(event)
    return ""


def content_of_a_message(content: chat.Content) -> str:
    match content:
        case chat.Text() | chat.Link() | chat.Report() | chat.SharedLink():
            return content.text
        case chat.Image(image=picture) | chat.Video(image=picture):
            assert_type(picture.content, bytes | None)
            return content.text
        case chat.Voice() | chat.File():
            return "a file"
        case chat.UnknownContent():
            return content.type
        case _:
            assert_never(content)


def what_an_app_shows(span: chat.Span) -> str:
    match span.format:
        case None | chat.Style() | chat.Color():
            return span.text
        case chat.HyperLink() | chat.ContactLink() | chat.NameText():
            return "a link"
        case chat.MentionText() | chat.CommandText():
            return "to tap"
        case _:
            assert_never(span.format)


def who_it_is(profile: chat.Profile) -> bool:
    own = profile.preferences or chat.Preferences()
    assert_type(own.allows(chat.Feature.VOICE), chat.Allow)
    assert_type(own.commands, tuple[chat.Command | chat.Menu, ...] | None)
    assert_type(profile.peer_type, chat.PeerType | None)
    return own.enabled(chat.Feature.CALLS, profile.preferences).for_us
