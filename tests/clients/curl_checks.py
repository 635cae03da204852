"""curl against the gateway: each protocol it speaks to each kind of origin."""

import gzip
import hashlib
import json
import os
import subprocess

from stage import NODE_SERVICES, host_of

# The name, the scheme, curl's options, the version curl must then report.
WAYS = [('h1', 'http', ['--http1.1'], '1.1'),
        ('h2', 'http', ['--http2-prior-knowledge'], '2'),
        ('h1 asking for h2c', 'http', ['--http2'], '1.1'),
        ('h1+TLS', 'https', ['--http1.1'], '1.1'),
        ('h2+TLS', 'https', ['--http2'], '2')]
PATIENCE_SECONDS = 20


class Curl:
    """curl over one way to one service."""

    def __init__(self, stage, way, service):
        self._stage = stage
        self.name, self._scheme, self._options, self.version = way
        self.service = service

    def url(self, path):
        return f'{self._scheme}://{host_of(self.service)}{path}'

    def run(self, *arguments, data=None, code=0):
        """Standard output's bytes; AssertionError when curl ends with another code."""
        argv = ['curl', '--silent', '--show-error', *self._options,
                '--connect-to', f'::{self._stage.addresses[self._scheme]}',
                '--cacert', self._stage.authority, *arguments]
        done = subprocess.run(argv, input=data, capture_output=True, timeout=PATIENCE_SECONDS,
                              check=False)
        assert done.returncode == code, (done.returncode, done.stderr.decode(), done.stdout[:300])
        return done.stdout

    def get(self, path, *arguments, data=None):
        return self.run(*arguments, self.url(path), data=data)

    def describe(self, path, *arguments, data=None):
        return json.loads(self.get(path, *arguments, data=data))


def version_and_request(curl):
    """The protocol that was asked for is spoken, and the origin sees the request as it was sent."""
    shown = curl.get('/describe?a=1&b=%2f', '-w', '\\n%{http_version}').decode()
    text, version = shown.rsplit('\n', 1)
    seen = json.loads(text)
    assert version == curl.version, version
    assert (seen['method'], seen['path']) == ('GET', '/describe?a=1&b=%2f'), seen
    assert seen['version'] == ('1.1' if curl.service.startswith('h1') else '2.0'), seen
    scheme = 'https' if 'TLS' in curl.name else 'http'
    assert seen['headers']['x-forwarded-proto'] == scheme, seen
    assert seen['headers']['x-forwarded-for'] == '127.0.0.1', seen
    assert len(seen['headers']['x-request-id']) >= 16, seen
    assert 'upgrade' not in seen['headers'] and 'http2-settings' not in seen['headers'], seen


def uploads(curl):
    """By length, expecting 100, and in chunks of unknown number."""
    body = os.urandom(2_000_003)
    digest = hashlib.sha256(body).hexdigest()
    for options in (['--data-binary', '@-'], ['-H', 'Expect: 100-continue', '--data-binary', '@-'],
                    ['-T', '-'], ['-H', 'Expect:', '-T', '-']):
        seen = curl.describe('/describe', *options, data=body)
        assert (seen['bytes'], seen['sha256']) == (len(body), digest), (options, seen)
    form = curl.describe('/describe', '-F', 'file=@-;filename=x', '-F', 'a=b', data=body)
    assert form['bytes'] > len(body), form


def downloads(curl):
    """With a length, without one, a part, and compressed."""
    whole = curl.get('/bytes?size=3000000')
    assert len(whole) == 3_000_000
    assert curl.get('/bytes?size=3000000&chunked=1') == whole
    part = curl.get('/range', '--range', '70000-70099', '-w', '\\n%{http_code}')
    assert part == whole[70000:70100] + b'\n206', part[-20:]
    assert curl.get('/gzip', '--compressed') == b'compressed ' * 1000
    assert gzip.decompress(curl.get('/gzip')) == b'compressed ' * 1000


def answers_without_body(curl):
    assert curl.get('/status?code=204', '-w', '%{http_code}') == b'204'
    fresh = curl.get('/cached', '-H', 'If-None-Match: "one"', '-w', '%{http_code}')
    assert fresh == b'304', fresh
    head = curl.get('/bytes?size=77', '--head').decode().lower()
    assert 'content-length: 77' in head, head
    missing = curl.get('/nothing', '-o', '/dev/null', '-w', '%{http_code}')
    assert missing == b'404', missing


def one_connection(curl):
    """Different requests behind each other on one connection, which none of them may end."""
    if curl.name == 'h2':
        return  # curl 7.88 cannot use such a connection twice, with no server.
    urls = [curl.url(path) for path in ('/describe', '/status?code=204', '/bytes?size=99999',
                                        '/hints', '/cached', '/bytes?size=5&chunked=1')]
    counts = _connects(curl, urls)
    assert counts == [1] + [0] * (len(urls) - 1), counts


def _connects(curl, urls):
    """How many connections each of the URLs took."""
    outputs = [part for url in urls for part in ('-o', '/dev/null', url)]
    return [int(line) for line in curl.run('-w', '%{num_connects}\\n', *outputs).split()]


def at_once(curl):
    """Two hundred in parallel; curl multiplexes those of HTTP/2."""
    if curl.name == 'h2':
        return  # As above.
    outputs = [part for number in range(200)
               for part in ('-o', '/dev/null', curl.url(f'/bytes?size={number * 100}'))]
    sizes = curl.run('--parallel', '--parallel-max', '50', '-w', '%{http_code} %{size_download}\\n',
                     *outputs).decode().split('\n')[:-1]
    assert sorted(sizes) == sorted(f'200 {number * 100}' for number in range(200)), sizes


def gone(curl):
    """A client that gives up ends the exchange at the origin."""
    name = f'curl-{os.getpid()}-{curl.name}-{curl.service}'.replace(' ', '-').replace('+', '-')
    # Ends with 28: the time was over.
    curl.run('--max-time', '0.3', '-o', '/dev/null', curl.url(f'/endless?name={name}'), code=28)
    assert curl.get(f'/await?name={name}') == b'it did'


CHECKS = [version_and_request, uploads, downloads, answers_without_body, one_connection, at_once,
          gone]


def run(stage):
    """What was wrong, in words."""
    wrong = []
    for way in WAYS:
        for service in NODE_SERVICES:
            curl = Curl(stage, way, service)
            for check in CHECKS:
                try:
                    check(curl)
                except (AssertionError, subprocess.TimeoutExpired) as error:
                    wrong.append(f'{curl.name} -> {service}: {check.__name__}: {error}')
    print(f'curl: {len(WAYS)} ways to {len(NODE_SERVICES)} services, {len(CHECKS)} checks each')
    return wrong
