"""Clients of a gateway that speak HTTP/2 with prior knowledge and honour GOAWAY, as a load.

Each keeps several requests going on one connection. After a GOAWAY it begins nothing more there,
opens another connection, and waits for the answers that are still to come. Everything that gets no
200 counts as failed, a request that a GOAWAY leaves out as well.
"""

import socket
import struct
import threading

STREAMS = 4
PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
# :method GET, :scheme http, :path /, then :authority as a literal.
REQUEST = bytes([0x82, 0x86, 0x84, 0x01, 3]) + b'web'
STATUS_200 = 0x88
TIMEOUT_SECONDS = 20


def frame(kind, flags, stream, payload=b''):
    return struct.pack('>I', len(payload))[1:] + struct.pack('>BBI', kind, flags, stream) + payload


class Connection:
    """One connection; `lost` is what was asked on it and will never be answered."""

    def __init__(self, address):
        host, port = address.rsplit(':', 1)
        self.socket = socket.create_connection((host, int(port)), timeout=TIMEOUT_SECONDS)
        self.received = b''
        self.open = set()
        self.next_stream = 1
        self.going_away = False
        # No table, so that each head can be read by itself.
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack('>HI', 1, 0)))

    def ask(self):
        self.open.add(self.next_stream)
        self.socket.sendall(frame(HEADERS, END_STREAM | END_HEADERS, self.next_stream, REQUEST))
        self.next_stream += 2

    def read_frame(self):
        """None: the connection has ended."""
        while len(self.received) < 9 or len(self.received) < 9 + self._length():
            more = self.socket.recv(65536)
            if not more:
                return None
            self.received += more
        length = self._length()
        kind, flags, stream = struct.unpack('>BBI', self.received[3:9])
        payload = self.received[9:9 + length]
        self.received = self.received[9 + length:]
        return kind, flags, stream & 0x7fffffff, payload

    def _length(self):
        return int.from_bytes(self.received[:3], 'big')


class H2Load:
    """`connections` at a time, until finish()."""

    def __init__(self, address, connections=4):
        self._address = address
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self.ok = 0
        self.told = 0  # GOAWAYs that arrived, one for each connection.
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
            try:
                connection = Connection(self._address)
            except OSError as error:
                self._fail(f'connect: {error}')
                continue
            try:
                self._serve(connection)
            except OSError as error:
                self._fail(f'{len(connection.open)} requests: {error}')
            connection.socket.close()

    def _serve(self, connection):
        while True:
            while (not connection.going_away and not self._ending.is_set()
                   and len(connection.open) < STREAMS):
                connection.ask()
            if not connection.open:
                return
            read = connection.read_frame()
            if read is None:
                self._fail(f'closed under {len(connection.open)} requests')
                return
            self._take(connection, *read)

    def _take(self, connection, kind, flags, stream, payload):
        if kind == HEADERS:
            # The sender may say first that it keeps no table.
            head = payload.lstrip(b'\x20')
            if not head or head[0] != STATUS_200:
                self._fail(f'stream {stream}: head {head[:8].hex()}')
        elif kind == RST_STREAM:
            connection.open.discard(stream)
            self._fail(f'stream {stream}: reset {payload.hex()}')
        elif kind == SETTINGS and not flags & ACK:
            connection.socket.sendall(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            connection.socket.sendall(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY:
            self._take_goaway(connection, payload)
        elif kind == DATA and payload:
            update = struct.pack('>I', len(payload))
            connection.socket.sendall(frame(WINDOW_UPDATE, 0, 0, update))
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            connection.open.discard(stream)
            with self._lock:
                self.ok += 1

    def _take_goaway(self, connection, payload):
        last = struct.unpack('>I', payload[:4])[0] & 0x7fffffff
        code = struct.unpack('>I', payload[4:8])[0]
        if not connection.going_away:
            connection.going_away = True
            with self._lock:
                self.told += 1
        left_out = {stream for stream in connection.open if stream > last}
        connection.open -= left_out
        if left_out or code:
            self._fail(f'GOAWAY {code} leaves {len(left_out)} requests out')
