from attrs import frozen
@frozen
class QueuePolicy:
    quota: int = 128
    allow_new_queues: bool = True
    password: str|None = None
    message_ttl: int|None = 21*86400
    notification_ttl: int = 86400
    suspended_ttl: int|None = 21*86400
