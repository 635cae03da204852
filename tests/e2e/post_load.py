"""HTTP/1.1 clients that POST, which nobody may repeat for them, and honour `Connection: close`.

Each keeps one connection busy until it is told to close it. Everything that gets no 200 counts as
failed: a POST that is lost is lost.
"""

import http.client
import threading

TIMEOUT_SECONDS = 20
BODY = b'x' * 3000


class PostLoad:
    """`connections` at a time, until finish()."""

    def __init__(self, address, host, connections=3):
        self._address = address
        self._headers = {'Host': host, 'Content-Type': 'application/octet-stream'}
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self.ok = 0
        self.told = 0  # Connections that were to be closed.
        self.failures = []
        self._threads = [threading.Thread(target=self._run, daemon=True)
                         for _ in range(connections)]
        for thread in self._threads:
            thread.start()

    def finish(self):
        """Waits for what was asked; the failures."""
        self._ending.set()
        for thread in self._threads:
            thread.join(timeout=2 * TIMEOUT_SECONDS)
            if thread.is_alive():
                self._fail('a client did not end')
        return self.failures

    def _fail(self, what):
        with self._lock:
            self.failures.append(what)

    def _run(self):
        while not self._ending.is_set() and len(self.failures) < 100:
            connection = http.client.HTTPConnection(self._address, timeout=TIMEOUT_SECONDS)
            try:
                self._serve(connection)
            except (OSError, http.client.HTTPException) as error:
                self._fail(f'{type(error).__name__}: {error}')
            connection.close()

    def _serve(self, connection):
        while not self._ending.is_set():
            connection.request('POST', '/work', BODY, self._headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                self._fail(f'status {answer.status} {answer.getheader("x-pointsman-reason")}')
            with self._lock:
                self.ok += 1
                self.told += answer.will_close
            if answer.will_close:
                return
