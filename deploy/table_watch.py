"""When the gateway's routing table changed, as the gateway itself shows it on /table."""

import http.client
import json
import threading
import time

# The table is read this often; so exact are the times.
PERIOD_SECONDS = 0.01
CHANGES_MAX = 20000


class TableWatch:
    """Reads /table on a thread of its own and keeps each state of a service's endpoints."""

    def __init__(self, admin_address, service='web'):
        self._address = admin_address
        self._path = f'/table?service={service}'
        self._changes = []  # (time, {endpoint: (routable, weight)}), ascending.
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join()

    def first_since(self, begun, condition):
        """Time of the first table, at or after `begun`, for which `condition` holds; None: none.

        The condition is given {endpoint: (routable, weight)}; times are of the steady clock.
        """
        with self._lock:
            held = None
            for at, endpoints in self._changes:
                if at < begun:
                    held = endpoints
                    continue
                if held is not None and condition(held):
                    return begun
                held = None
                if condition(endpoints):
                    return at
            return begun if held is not None and condition(held) else None

    def changes(self):
        """(time, table) of each change, ascending."""
        with self._lock:
            return list(self._changes)

    def latest(self):
        with self._lock:
            return self._changes[-1][1] if self._changes else {}

    def _run(self):
        connection = http.client.HTTPConnection(self._address, timeout=2)
        while not self._stop.wait(PERIOD_SECONDS):
            try:
                connection.request('GET', self._path)
                table = json.loads(connection.getresponse().read())
            except (OSError, http.client.HTTPException, ValueError):
                connection.close()  # The gateway restarts: the next turn connects again.
                continue
            self._note(table)
        connection.close()

    def _note(self, table):
        services = table['services']
        endpoints = {one['id']: (one['routable'], one['weight'])
                     for one in (services[0]['endpoints'] if services else [])}
        with self._lock:
            if not self._changes or self._changes[-1][1] != endpoints:
                self._changes.append((time.monotonic(), endpoints))
                del self._changes[:-CHANGES_MAX]
