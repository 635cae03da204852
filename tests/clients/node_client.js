// Node's HTTP/2 client, its fetch, and ws against the gateway.
//   NODE_EXTRA_CA_CERTS=PEM node node_client.js --plain HOST:PORT --tls HOST:PORT --hosts A,B...
// Prints each check; exit code 0: all held, 1: one did not.
'use strict';

const assert = require('assert');
const crypto = require('crypto');
const http = require('http');
const http2 = require('http2');
const https = require('https');
const {once} = require('events');
const {parseArgs} = require('util');
const WebSocket = require('ws');
const {overHttp2} = require('./websocket_http2.js');

const PATIENCE_MS = 20000;
const flags = parseArgs({
  options: {plain: {type: 'string'}, tls: {type: 'string'}, hosts: {type: 'string'}},
}).values;
let names = 0;
const newName = () => `node-${process.pid}-${++names}`;

// One host by one of the gateway's two addresses.
class Way {
  constructor(secure, host) {
    this.secure = secure;
    this.host = host;
    const [address, port] = (secure ? flags.tls : flags.plain).split(':');
    this.address = address;
    this.port = Number(port);
  }
  toString() {
    return `${this.secure ? 'TLS' : 'plain'} -> ${this.host}`;
  }
  session() {
    const authority = `${this.secure ? 'https' : 'http'}://${this.host}`;
    const session = http2.connect(authority, {
      host: this.address, port: this.port, servername: this.host,
      createConnection: this.secure ? undefined : () => require('net').connect(this.port, this.address),
    });
    session.on('error', () => {});
    return session;
  }
  // Over HTTP/1.
  get(path, options = {}) {
    const {body, ...rest} = options;
    return new Promise((resolve, reject) => {
      const request = (this.secure ? https : http).request({
        host: this.address, port: this.port, servername: this.host, path,
        ...rest, headers: {host: this.host, ...rest.headers},
      });
      request.on('error', reject);
      request.on('response', async (response) => {
        try {
          resolve({response, body: await readAll(response)});
        } catch (error) {
          reject(error);
        }
      });
      if (rest.onInformation) request.on('information', rest.onInformation);
      request.end(body);
    });
  }
  socket(query, protocols, options) {
    return new WebSocket(`${this.secure ? 'wss' : 'ws'}://${this.address}:${this.port}/ws?${query}`,
                         protocols, {servername: this.host, headers: {host: this.host},
                                     maxPayload: 64 << 20, ...options});
  }
}

async function readAll(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');

// A request over a session of HTTP/2: {head, body, trailers}.
async function ask(session, host, path, {body, trailers, ...head} = {}) {
  const stream = session.request(
      {':path': path, ':authority': host, ...head},
      {endStream: body === undefined, waitForTrailers: trailers !== undefined});
  const seen = {};
  stream.on('response', (fields) => { seen.head = fields; });
  stream.on('trailers', (fields) => { seen.trailers = fields; });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  if (body !== undefined) stream.end(body);
  seen.body = await readAll(stream);
  return seen;
}

const CHECKS = {
  async 'HTTP/1: what was sent is what arrives'(way) {
    const body = crypto.randomBytes(3 << 20);
    const {response, body: text} = await way.get('/describe?a=b%20c', {method: 'PUT', body});
    assert.strictEqual(response.statusCode, 200);
    const seen = JSON.parse(text);
    assert.strictEqual(seen.path, '/describe?a=b%20c');
    assert.strictEqual(seen.sha256, sha256(body));
    assert.strictEqual(seen.headers['x-forwarded-proto'], way.secure ? 'https' : 'http');
  },
  async 'HTTP/1: trailers and early hints'(way) {
    const {response, body} = await way.get('/bytes?size=300000&chunked=1');
    assert.strictEqual(body.length, 300000);
    assert.strictEqual(response.trailers['x-size'], '300000');
    const hints = [];
    await way.get('/hints', {onInformation: (head) => hints.push(head)});
    assert.deepStrictEqual(hints.map((one) => one.statusCode), [103]);
    assert.match(hints[0].headers.link, /style/);
  },
  async 'HTTP/2: a hundred uploads at once on one connection'(way, session) {
    const all = Array.from({length: 100}, async (_, at) => {
      const body = crypto.randomBytes(20000 + at * 500);
      const {head, body: text} = await ask(session, way.host, `/describe?${at}`,
                                           {':method': 'POST', body});
      assert.strictEqual(head[':status'], 200);
      const seen = JSON.parse(text);
      assert.strictEqual(seen.path, `/describe?${at}`);
      assert.strictEqual(seen.sha256, sha256(body));
    });
    await Promise.all(all);
  },
  async 'HTTP/2: trailers both ways'(way, session) {
    const up = await ask(session, way.host, '/describe',
                         {':method': 'POST', body: 'x', trailers: {'x-sum': '7'}});
    assert.strictEqual(JSON.parse(up.body).trailers['x-sum'], '7');
    const down = await ask(session, way.host, '/bytes?size=100000&chunked=1');
    assert.strictEqual(down.body.length, 100000);
    assert.strictEqual(down.trailers['x-size'], '100000');
  },
  async 'HTTP/2: early hints'(way, session) {
    const stream = session.request({':path': '/hints', ':authority': way.host});
    const hints = [];
    stream.on('headers', (fields) => hints.push(fields));
    const [head] = await once(stream, 'response');
    assert.strictEqual(head[':status'], 200);
    assert.strictEqual((await readAll(stream)).toString(), 'hinted');
    assert.deepStrictEqual(hints.map((one) => one[':status']), [103]);
  },
  async 'HTTP/2: a slow reader gets all of it, beside others'(way, session) {
    const slow = session.request({':path': '/bytes?size=5000000', ':authority': way.host});
    slow.pause();
    await once(slow, 'response');
    const {body} = await ask(session, way.host, '/bytes?size=10000');
    assert.strictEqual(body.length, 10000);
    assert.strictEqual((await readAll(slow)).length, 5000000);
  },
  async 'HTTP/2: an event arrives before the next is sent'(way, session) {
    const name = newName();
    const stream = session.request({':path': `/events?name=${name}`, ':authority': way.host});
    const events = [];
    stream.on('data', (data) => events.push(data.toString()));
    const ended = once(stream, 'end');
    await once(stream, 'data');
    assert.deepStrictEqual(events, ['data: first\n\n']);
    await ask(session, way.host, `/happen?name=${name}`);
    await ended;
    assert.deepStrictEqual(events, ['data: first\n\n', 'data: last\n\n']);
  },
  async 'HTTP/2: what is cancelled ends at the origin, the connection stays'(way, session) {
    for (const page of ['/endless', '/hang']) {
      const name = newName();
      const stream = session.request({':path': `${page}?name=${name}`, ':authority': way.host});
      if (page === '/endless') await once(stream, 'data');
      else await ask(session, way.host, `/await?name=${name}-begun`);
      stream.on('error', () => {});
      stream.close(http2.constants.NGHTTP2_CANCEL);
      const {body} = await ask(session, way.host, `/await?name=${name}`);
      assert.strictEqual(body.toString(), 'it did');
    }
    assert.strictEqual(session.closed, false);
  },
  async 'HTTP/2: ping, and settings of a gateway'(way, session) {
    const answered = await new Promise((resolve) => session.ping((error) => resolve(!error)));
    assert.ok(answered);
    assert.strictEqual(session.remoteSettings.enableConnectProtocol, true);
    assert.strictEqual(session.remoteSettings.enablePush, true);  // Only a client's counts.
  },
  async 'HTTP/2: cookies, not modified, nothing to say'(way, session) {
    const cookies = await ask(session, way.host, '/cookies', {cookie: ['c=3', 'd=4']});
    assert.deepStrictEqual(cookies.head['set-cookie'], ['a=1; Path=/', 'b=2; HttpOnly']);
    assert.strictEqual(cookies.body.toString(), 'c=3; d=4');
    const fresh = await ask(session, way.host, '/cached', {'if-none-match': '"one"'});
    assert.strictEqual(fresh.head[':status'], 304);
    const empty = await ask(session, way.host, '/status?code=204');
    assert.strictEqual(empty.head[':status'], 204);
    assert.strictEqual(empty.body.length, 0);
  },
  async 'WebSocket over HTTP/1'(way) {
    const name = newName();
    const socket = way.socket(`name=${name}`, ['other', 'echo'], {perMessageDeflate: false});
    await once(socket, 'open');
    assert.strictEqual(socket.protocol, 'echo');
    await converse(socket);
    await end(socket, way, name);
  },
  async 'WebSocket over HTTP/1, compressed'(way) {
    const name = newName();
    const socket = way.socket(`name=${name}`, [], {perMessageDeflate: {threshold: 0}});
    await once(socket, 'open');
    const offered = way.host.startsWith('h1') ? 'permessage-deflate' : '';
    assert.ok(socket.extensions.startsWith(offered), socket.extensions);
    await converse(socket);
    await end(socket, way, name);
  },
  async 'WebSocket over HTTP/2, beside requests'(way, session) {
    if (!session.remoteSettings.enableConnectProtocol) await once(session, 'remoteSettings');
    const name = newName();
    const stream = session.request({
      ':method': 'CONNECT', ':protocol': 'websocket', ':path': `/ws?name=${name}`,
      ':authority': way.host, ':scheme': way.secure ? 'https' : 'http',
      'sec-websocket-version': '13',
    }, {endStream: false});
    const [head] = await once(stream, 'response');
    assert.strictEqual(head[':status'], 200);
    const socket = overHttp2(WebSocket, stream, {isServer: false});
    await Promise.all([converse(socket), ask(session, way.host, '/describe')]);
    await end(socket, way, name);
  },
  async 'WebSocket: one that breaks off is known at the origin'(way) {
    const name = newName();
    const socket = way.socket(`name=${name}`, []);
    await once(socket, 'open');
    socket.on('error', () => {});
    socket.terminate();
    const {body} = await way.get(`/await?name=${name}-1006`);
    assert.strictEqual(body.toString(), 'it did');
  },
};

// Texts, large and in fragments, and pings come back as they were sent.
async function converse(socket) {
  const said = async (data, options) => {
    const answer = once(socket, 'message');
    socket.send(data, options);
    const [back, isBinary] = await answer;
    assert.strictEqual(isBinary, typeof data !== 'string');
    assert.ok(Buffer.from(data).equals(back), 'a message came back changed');
  };
  for (let i = 0; i < 50; ++i) await said(`message ${i} gr\u00fc\u00df`);
  await said(crypto.randomBytes(5 << 20), {binary: true});
  const answer = once(socket, 'message');
  socket.send('one ', {fin: false});
  socket.send('message', {fin: true});
  assert.strictEqual((await answer)[0].toString(), 'one message');
  const pong = once(socket, 'pong');
  socket.ping('there?');
  assert.strictEqual((await pong)[0].toString(), 'there?');
}

// The other side ends it with a code and words of its own; both know.
async function end(socket, way, name) {
  const closed = once(socket, 'close');
  socket.send('close');
  const [code, reason] = await closed;
  assert.strictEqual(code, 4001);
  assert.strictEqual(reason.toString(), 'as you wished');
  const {body} = await way.get(`/await?name=${name}-4001`);
  assert.strictEqual(body.toString(), 'it did');
}

async function main() {
  let wrong = 0;
  for (const secure of [false, true]) {
    for (const host of flags.hosts.split(',')) {
      const way = new Way(secure, host);
      const session = way.session();
      for (const [name, check] of Object.entries(CHECKS)) {
        let timer;
        const late = new Promise((_, reject) => {
          timer = setTimeout(() => reject(new Error('no answer in time')), PATIENCE_MS);
        });
        try {
          await Promise.race([check(way, session), late]);
          console.log(`ok    ${way}: ${name}`);
        } catch (error) {
          ++wrong;
          console.log(`FAIL  ${way}: ${name}: ${error.stack}`);
        } finally {
          clearTimeout(timer);
        }
      }
      session.destroy();
    }
  }
  process.exit(wrong === 0 ? 0 : 1);
}

main();
