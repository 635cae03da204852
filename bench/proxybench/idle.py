"""Private dirty memory of a proxy for each idle connection: the slope between two counts of
connections, each of which has been answered one request."""

import gc
import socket
import ssl
import time

from proxybench import backends, cases, procfs, report, rounds
from proxybench.peers import Setup
from proxybench.stage import LeftOut

COUNTS = (1000, 4000)
QUICK_COUNTS = (500, 1500)
# KiB a connection.
AIMS = {"memory-h1": 0.5, "memory-h1-tls": 14.0, "memory-h2": 28.0, "memory-h2-tls": 42.0}
SETTLE_SECONDS = 20
PEER_SECONDS = 10

_END_STREAM = 1
_ACK = 1
_DATA, _HEADERS, _SETTINGS, _GOAWAY = 0, 1, 4, 7


def _receive(connection):
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("closed before the answer was complete")
    return data


def ask_http1(connection):
    connection.sendall(b"GET /work HTTP/1.1\r\nHost: localhost\r\n\r\n")
    received = b""
    while b"\r\n\r\n" not in received:
        received += _receive(connection)
    head, body = received.split(b"\r\n\r\n", 1)
    if not head.startswith(b"HTTP/1.1 200"):
        raise ConnectionError(f"not answered 200: {head[:100]!r}")
    while len(body) < cases.SMALL:
        body += _receive(connection)


def _frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + \
        payload


def ask_http2(connection, scheme):
    """One GET on stream 1 in nothing but what RFC 7541's static table has."""
    fields = b"\x82\x84" + (b"\x87" if scheme == "https" else b"\x86") + b"\x01\x09localhost"
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0) +
                       _frame(_HEADERS, 4 | _END_STREAM, 1, fields))
    received, settled, ended = b"", False, False
    while not (settled and ended):
        while len(received) < 9 or len(received) < 9 + int.from_bytes(received[:3], "big"):
            received += _receive(connection)
        size, kind, flags = int.from_bytes(received[:3], "big"), received[3], received[4]
        payload, received = received[9:9 + size], received[9 + size:]
        if kind == _SETTINGS and flags & _ACK == 0:
            connection.sendall(_frame(_SETTINGS, _ACK, 0))
            settled = True
        elif kind == _HEADERS and payload[:1] != b"\x88" and not ended:
            raise ConnectionError("not answered 200")
        elif kind == _GOAWAY:
            raise ConnectionError("refused")
        ended = ended or (kind in (_HEADERS, _DATA) and flags & _END_STREAM != 0)


class Clients:
    """Connections that stay open."""

    def __init__(self, case, port):
        self.http2 = "h2" in case.name
        self.port = port
        self.open = []
        self.tls = None
        if case.name.endswith("-tls"):
            self.tls = ssl.create_default_context()
            self.tls.check_hostname = False
            self.tls.verify_mode = ssl.CERT_NONE
            self.tls.set_alpn_protocols(["h2"] if self.http2 else ["http/1.1"])

    def open_until(self, count):
        while len(self.open) < count:
            connection = socket.create_connection(("127.0.0.1", self.port), timeout=PEER_SECONDS)
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_hostname="localhost")
            self.open.append(connection)
            if self.http2:
                ask_http2(connection, "https" if self.tls else "http")
            else:
                ask_http1(connection)

    def check(self):
        """ConnectionError: one of them was closed by the proxy."""
        for connection in self.open:
            connection.setblocking(False)
            try:
                if connection.recv(65536) == b"":
                    raise ConnectionError("an idle connection was closed")
            except (BlockingIOError, ssl.SSLWantReadError):
                pass

    def close(self):
        for connection in self.open:
            connection.close()
        self.open.clear()
        gc.collect()


def settled_bytes(proxy):
    """Once two readings a second apart differ by less than 0.2 %."""
    last = procfs.private_dirty_bytes(proxy.pids())
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        time.sleep(1)
        now = procfs.private_dirty_bytes(proxy.pids())
        if abs(now - last) < 0.002 * now:
            return now
        last = now
    return last


def measure(case, proxy, counts):
    """KiB a connection."""
    clients = Clients(case, proxy.port)
    try:
        sizes = []
        for count in counts:
            clients.open_until(count)
            sizes.append(settled_bytes(proxy))
        clients.check()
    finally:
        clients.close()
    return (sizes[1] - sizes[0]) / (counts[1] - counts[0]) / 1024


def run(stage, case, peers, options, common, lines):
    counts = QUICK_COUNTS if options.quick else COUNTS
    ports, behind = backends.start(stage, common.build, common.cpus.others(), "h1", cases.SMALL)
    setup = Setup(client="h2" if "h2" in case.name else "h1", tls=case.name.endswith("-tls"),
                  backends=ports)
    print(f"\n{case.name}: private dirty KiB an idle connection, between {counts[0]} and "
          f"{counts[1]}, each answered once")
    for peer in peers:
        if peer.name == "relay":
            continue
        proxies, left_out = rounds.start_peers(stage, [peer], setup, common.cpus.proxy(), common)
        try:
            if left_out:
                raise LeftOut(left_out[peer.name])
            kib = measure(case, proxies[0], counts)
        except (LeftOut, OSError) as why:
            print(f"  {peer.name:10} left out: {why}")
            lines.add(kind="left_out", case=case.name, peer=peer.name, why=str(why))
            continue
        finally:
            stage.stop([p.process for p in proxies])
        print(f"  {peer.name:10} {kib:8.2f}")
        lines.add(kind="memory", case=case.name, peer=peer.name, kib=kib, counts=counts)
        if peer.name == report.OURS:
            aim = AIMS[case.name]
            report.print_aim(case.name, f"at most {aim:g} KiB", "met" if kib <= aim else "missed",
                             f"{kib:.2f}", lines)
    stage.stop(behind)
