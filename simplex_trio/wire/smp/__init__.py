"""SMP, the protocol between a client and the router that keeps its queues, versions 6 to 20."""
