#!/usr/bin/env python3
"""TableWatch against a server that shows tables one after the other."""

import http.server
import json
import os
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'deploy'))

from table_watch import TableWatch  # noqa: E402

DEADLINE_SECONDS = 10


class TableServer(http.server.ThreadingHTTPServer):
    endpoints = []

    def __init__(self):
        super().__init__(('127.0.0.1', 0), TableHandler)
        self.daemon_threads = True
        threading.Thread(target=self.serve_forever, daemon=True).start()


class TableHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        body = json.dumps({'services': [{'endpoints': self.server.endpoints}]}).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def endpoint(routable, weight):
    return {'id': 'web-1', 'routable': routable, 'weight': weight}


class TableWatchTest(unittest.TestCase):

    def setUp(self):
        self.server = TableServer()
        self.server.endpoints = [endpoint(True, 100)]
        self.watch = TableWatch('127.0.0.1:%d' % self.server.server_port)

    def tearDown(self):
        self.watch.stop()
        self.server.shutdown()
        self.server.server_close()

    def wait_for(self, seen):
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.watch.latest().get('web-1') != seen:
            self.assertLess(time.monotonic(), deadline)

    def test_finds_when_a_change_came(self):
        self.wait_for((True, 100))
        begun = time.monotonic()
        gone = lambda table: not table['web-1'][0]  # noqa: E731
        self.assertIsNone(self.watch.first_since(begun, gone))
        self.server.endpoints = [endpoint(False, 0)]
        self.wait_for((False, 0))
        at = self.watch.first_since(begun, gone)
        self.assertGreaterEqual(at, begun)
        # What held before is found as holding from the start.
        self.assertEqual(self.watch.first_since(begun, lambda table: table['web-1'][0]), begun)
        later = time.monotonic()
        self.assertEqual(self.watch.first_since(later, gone), later)


if __name__ == '__main__':
    unittest.main()
