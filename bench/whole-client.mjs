// The client of the services of bench/whole.mjs: as cheap as can be, since it shares the machine with them. It asks for
// the same again on each of its connections as soon as an answer has ended, until the service does.
import { connect } from 'node:net';

const connections = 8;
const items = Array.from({ length: 50 }, (_, i) => ({ id: i, name: `item ${i}`, price: i * 1.25 }));
const body = JSON.stringify({ items });
const request = `POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
const lastChunk = '0\r\n\r\n';

export function requestAll(port) {
  for (let i = 0; i < connections; i++) {
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    let tail = '';
    socket.on('data', (data) => {
      tail = (tail + data.subarray(-lastChunk.length).latin1Slice()).slice(-lastChunk.length);
      if (tail !== lastChunk) return;
      tail = '';
      socket.write(request);
    });
    // The service has done its work.
    socket.on('error', () => {});
  }
}
