"""`SMPClient`: a connection to an SMP router, with every command as a typed method.

::

    async with open_smp_client(router) as client:
        queue = await client.create_queue()
        await client.send(queue.sender_id, b"hello")
        async for event in client.events:
            match event:
                case MessageReceived(body=body):
                    await client.acknowledge(queue, event.message_id)

The commands stand in modules by who sends them; `client` puts them together.
"""
