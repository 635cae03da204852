// WebSocket over one stream of HTTP/2 (RFC 8441): ws knows sockets only, and takes any duplex stream
// that has a socket's two settings.
'use strict';

exports.overHttp2 = (WebSocket, stream, {isServer}) => {
  stream.setNoDelay = () => {};
  const socket = new WebSocket(null);
  socket._isServer = isServer;
  socket.setSocket(stream, Buffer.alloc(0), {maxPayload: 64 << 20, skipUTF8Validation: false});
  return socket;
};
