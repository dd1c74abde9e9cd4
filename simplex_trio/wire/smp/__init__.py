"""SMP, the protocol between clients and the routers that store their queues, versions 6 to 20."""
