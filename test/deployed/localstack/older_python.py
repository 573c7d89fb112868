"""What LocalStack uses of Python 3.12 and 3.13, for the Python 3.11 of Debian 12. Imported before anything of LocalStack."""

import hashlib
import threading
import uuid

if not isinstance(threading.Lock, type):
    # `Lock | None` in annotations: before 3.13 Lock is a function.
    class Lock:
        def __new__(cls, make=threading.Lock):
            return make()

    threading.Lock = Lock

try:
    uuid.uuid5(uuid.NAMESPACE_DNS, b"")
except TypeError:
    of_text = uuid.uuid5

    # Before 3.12 the name is text only. KMS gives the bytes of a key.
    def uuid5(namespace, name):
        if isinstance(name, str):
            return of_text(namespace, name)
        digest = hashlib.sha1(namespace.bytes + name, usedforsecurity=False).digest()
        return uuid.UUID(bytes=digest[:16], version=5)

    uuid.uuid5 = uuid5
