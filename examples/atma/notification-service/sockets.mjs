/**
 * WebSockets of users: `/ws?userId=…`. Each gets what its user is told, as JSON with an `id`; `&after=ID` first gives what came
 * after that while nobody was connected. A message may come twice that way: its id says so.
 * Who a user is, a real service takes from a token; here they say so themselves.
 */
import { WebSocketServer } from 'ws';
import { locationOf } from '../http.mjs';

const HEARTBEAT_MS = 30_000;
/** Bytes waiting for a reader that does not read: it may come back and ask for what it missed. */
const LARGEST_BACKLOG = 1024 * 1024;
const GOING_AWAY = 1001;
/** For a client to say goodbye, too. */
const GOODBYE_MS = 1_000;

export function createSockets(inbox) {
  const byUser = new Map();
  const webSockets = new WebSocketServer({ noServer: true, maxPayload: 1_024 });

  function open(socket, userId, after) {
    const sockets = byUser.get(userId) ?? new Set();
    byUser.set(userId, sockets.add(socket));
    socket.on('close', () => {
      sockets.delete(socket);
      if (sockets.size === 0 && byUser.get(userId) === sockets) byUser.delete(userId);
    });
    socket.on('error', () => {}); // `close` follows
    socket.isAlive = true;
    socket.on('pong', () => {
      socket.isAlive = true;
    });
    if (after !== null) for (const message of inbox.after(userId, Number(after))) send(socket, message);
  }

  function send(socket, message) {
    if (socket.bufferedAmount > LARGEST_BACKLOG) socket.terminate();
    else socket.send(JSON.stringify(message), () => {}); // gone: the inbox has it
  }

  /** A connection may be dead without a word: who does not answer a ping is let go. */
  function beat() {
    for (const socket of webSockets.clients) {
      if (!socket.isAlive) socket.terminate();
      socket.isAlive = false;
      socket.ping(() => {});
    }
  }

  return {
    push(userId, message) {
      for (const socket of byUser.get(userId) ?? []) send(socket, message);
    },
    /** Takes the upgrades of the server. Returns how to say goodbye to everybody. */
    attach(server) {
      const heart = setInterval(beat, HEARTBEAT_MS);
      server.on('upgrade', (request, connection, head) => {
        const { pathname, searchParams } = locationOf(request) ?? {};
        const userId = searchParams?.get('userId');
        if (pathname !== '/ws' || !userId) {
          connection.on('error', () => {}); // it may be gone already
          connection.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n');
          return;
        }
        webSockets.handleUpgrade(request, connection, head, (socket) =>
          open(socket, userId, searchParams.get('after')),
        );
      });
      return () => {
        clearInterval(heart);
        for (const socket of webSockets.clients) {
          socket.close(GOING_AWAY);
          setTimeout(() => socket.terminate(), GOODBYE_MS).unref();
        }
      };
    },
  };
}
