// An origin of Node's: HTTP/1 and HTTP/2, plain and with TLS, one handler for all, and WebSocket by
// the library ws on each. Ends on SIGTERM.
//   node origin.js --cert PEM --key PEM --ready-file FILE
// The ready-file says where each listens: {"h1", "h2", "h1tls", "h2tls", "pid"}.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const http2 = require('http2');
const https = require('https');
const zlib = require('zlib');
const {parseArgs} = require('util');
const {WebSocketServer, WebSocket} = require('ws');
const {overHttp2} = require('./websocket_http2.js');

const flags = parseArgs({
  options: {cert: {type: 'string'}, key: {type: 'string'}, 'ready-file': {type: 'string'}},
}).values;

// Named events: whoever waits for one is answered when it comes, also when it came before.
const happened = new Set();
const waiting = new Map();
function happens(name) {
  happened.add(name);
  for (const tell of waiting.get(name) || []) tell();
  waiting.delete(name);
}
function whenHappens(name, tell) {
  if (happened.has(name)) return tell();
  waiting.set(name, [...(waiting.get(name) || []), tell]);
}

// `size` bytes that repeat nowhere within 64 KiB of each other.
function* pieces(size) {
  for (let at = 0; at < size; at += 65536) {
    const piece = Buffer.alloc(Math.min(65536, size - at));
    for (let i = 0; i + 4 <= piece.length; i += 4) piece.writeUInt32LE((at + i) >>> 0, i);
    yield piece;
  }
}

function sendPieces(response, source) {
  for (;;) {
    const next = source.next();
    if (next.done) return response.end();
    if (!response.write(next.value)) {
      response.once('drain', () => sendPieces(response, source));
      return undefined;
    }
  }
}

// What came, as JSON: the client compares it with what it sent.
function describe(request, response) {
  const hash = crypto.createHash('sha256');
  let bytes = 0;
  request.on('data', (data) => {
    hash.update(data);
    bytes += data.length;
  });
  request.on('end', () => {
    const seen = {
      method: request.method, path: request.url, version: request.httpVersion,
      headers: request.headers, trailers: request.trailers, bytes, sha256: hash.digest('hex'),
    };
    const text = Buffer.from(JSON.stringify(seen));
    response.writeHead(200, {'content-type': 'application/json', 'content-length': text.length});
    response.end(text);
  });
}

const PAGES = {
  '/describe': describe,
  '/echo'(request, response) {
    response.writeHead(200, {'content-type': request.headers['content-type'] || 'text/plain'});
    request.pipe(response);
  },
  // ?size=N: with a length; ?size=N&chunked=1: without, and trailers behind it.
  '/bytes'(request, response, query) {
    const size = Number(query.get('size'));
    const head = {'content-type': 'application/octet-stream'};
    if (query.get('chunked')) head.trailer = 'x-size';
    else head['content-length'] = size;
    response.writeHead(200, head);
    if (query.get('chunked')) response.addTrailers({'x-size': String(size)});
    sendPieces(response, pieces(size));
  },
  '/range'(request, response) {
    const all = Buffer.concat([...pieces(100000)]);
    const [, from, to] = /bytes=(\d+)-(\d+)/.exec(request.headers.range).map(Number);
    response.writeHead(206, {
      'content-range': `bytes ${from}-${to}/${all.length}`, 'content-length': to - from + 1,
    });
    response.end(all.subarray(from, to + 1));
  },
  '/gzip'(request, response) {
    response.writeHead(200, {'content-encoding': 'gzip'});
    response.end(zlib.gzipSync('compressed '.repeat(1000)));
  },
  '/cached'(request, response) {
    const head = {etag: '"one"', 'cache-control': 'max-age=60'};
    const fresh = request.headers['if-none-match'] === '"one"';
    response.writeHead(fresh ? 304 : 200, head);
    response.end(fresh ? undefined : 'whole');
  },
  '/status'(request, response, query) {
    response.writeHead(Number(query.get('code')));
    response.end();
  },
  '/cookies'(request, response) {
    response.writeHead(200, {'set-cookie': ['a=1; Path=/', 'b=2; HttpOnly']});
    response.end(String(request.headers.cookie));
  },
  '/hints'(request, response) {
    const hints = {link: '</style.css>; rel=preload; as=style'};
    if (response.stream) response.stream.additionalHeaders({':status': 103, ...hints});
    else response.writeEarlyHints(hints);
    response.end('hinted');
  },
  // Server-sent events: "first", and "last" once somebody asks for /happen?name=...
  '/events'(request, response, query) {
    response.writeHead(200, {'content-type': 'text/event-stream'});
    response.write('data: first\n\n');
    whenHappens(query.get('name'), () => response.end('data: last\n\n'));
  },
  '/happen'(request, response, query) {
    happens(query.get('name'));
    response.end('done');
  },
  // Never ends; says by the event NAME that the client has gone.
  '/endless'(request, response, query) {
    response.writeHead(200);
    sendPieces(response, pieces(2 ** 40));
    response.on('close', () => happens(query.get('name')));
  },
  // Never answers; events NAME-begun and NAME.
  '/hang'(request, response, query) {
    happens(`${query.get('name')}-begun`);
    response.on('close', () => happens(query.get('name')));
  },
  '/await'(request, response, query) {
    whenHappens(query.get('name'), () => response.end('it did'));
  },
};

function handle(request, response) {
  const url = new URL(request.url, 'http://origin');
  const page = PAGES[url.pathname];
  if (page) return page(request, response, url.searchParams);
  response.writeHead(404);
  return response.end('no such page');
}

// Sends back what comes; "close" ends it with a code of its own. `name`: told when it is over.
function converse(socket, name) {
  socket.on('error', () => {});
  socket.on('message', (data, isBinary) => {
    if (!isBinary && data.toString() === 'close') socket.close(4001, 'as you wished');
    else socket.send(data, {binary: isBinary});
  });
  socket.on('close', (code) => happens(`${name}-${code}`));
}

const COMPRESSION = {serverNoContextTakeover: true, threshold: 0};
function acceptHttp1(server) {
  const acceptor = new WebSocketServer({
    server, perMessageDeflate: COMPRESSION, maxPayload: 64 << 20,
    handleProtocols: (offered) => (offered.has('echo') ? 'echo' : false),
  });
  acceptor.on('connection', (socket, request) => {
    converse(socket, new URL(request.url, 'http://origin').searchParams.get('name'));
  });
}
function acceptHttp2(server) {
  server.on('connect', ({stream, headers}) => {
    if (headers[':protocol'] !== 'websocket') return stream.respond({':status': 501}, {endStream: true});
    const chosen = headers['sec-websocket-protocol'] ? {'sec-websocket-protocol': 'echo'} : {};
    stream.respond({':status': 200, ...chosen});
    const name = new URL(headers[':path'], 'http://origin').searchParams.get('name');
    return converse(overHttp2(WebSocket, stream, {isServer: true}), name);
  });
}

const tls = {cert: fs.readFileSync(flags.cert), key: fs.readFileSync(flags.key)};
const settings = {enableConnectProtocol: true};
const servers = {
  h1: http.createServer(handle),
  h1tls: https.createServer(tls, handle),
  h2: http2.createServer({settings}, handle),
  h2tls: http2.createSecureServer({...tls, settings}, handle),
};
acceptHttp1(servers.h1);
acceptHttp1(servers.h1tls);
acceptHttp2(servers.h2);
acceptHttp2(servers.h2tls);

const ready = {pid: process.pid};
for (const [name, server] of Object.entries(servers)) {
  server.listen(0, '127.0.0.1', () => {
    ready[name] = `127.0.0.1:${server.address().port}`;
    if (Object.keys(ready).length <= Object.keys(servers).length) return;
    fs.writeFileSync(`${flags['ready-file']}.new`, JSON.stringify(ready));
    fs.renameSync(`${flags['ready-file']}.new`, flags['ready-file']);
  });
}
process.on('SIGTERM', () => process.exit(0));
