// GraphQL over WebSocket: the unmodified client of graphql-ws, then its protocol's rules by raw socket.
// https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
import { createClient } from "graphql-ws";
import { randomBytes } from "node:crypto";
import { WebSocket } from "ws";
import { check, equal, holds, score, within } from "./check.mjs";

const http = `${process.argv[2]}/graphql`;
const url = http.replace("http", "ws");
const PROTOCOL = "graphql-transport-ws";

/** A new command id: UUIDv7. */
function commandId() {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** The messages of one operation, to its end. */
async function all(client, query, variables) {
  const results = [];
  for await (const result of client.iterate({ query, variables })) results.push(result);
  return results;
}

async function one(client, query, variables) {
  const [result] = await within(10_000, all(client, query, variables), query);
  equal(result.errors, undefined, "errors");
  return result.data;
}

/** A socket that keeps what arrives: `next` takes the next message, `closed` waits for the close. */
function raw(protocols = [PROTOCOL]) {
  const socket = new WebSocket(url, protocols);
  const messages = [];
  const waiting = [];
  socket.on("message", (data) => {
    const message = JSON.parse(data.toString());
    const taker = waiting.shift();
    if (taker) taker(message);
    else messages.push(message);
  });
  const closed = new Promise((resolve) => {
    socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    socket.on("error", () => {});
  });
  return {
    socket,
    messages,
    open: new Promise((resolve, reject) => {
      socket.on("open", resolve);
      socket.on("error", reject);
    }),
    send: (message) => socket.send(typeof message === "string" ? message : JSON.stringify(message)),
    next: (ms = 5_000) =>
      within(
        ms,
        messages.length ? Promise.resolve(messages.shift()) : new Promise((resolve) => waiting.push(resolve)),
        "the next message",
      ),
    closed: (ms = 5_000) => within(ms, closed, "the close"),
  };
}

/** A socket past its handshake. */
async function acknowledged() {
  const connection = raw();
  await connection.open;
  connection.send({ type: "connection_init" });
  equal((await connection.next()).type, "connection_ack", "the answer to connection_init");
  return connection;
}

async function closesWith(code, act, start = acknowledged) {
  const connection = await start();
  if (start === raw) await connection.open;
  act(connection);
  equal((await connection.closed()).code, code, "close code");
}

const TYPENAME = { query: "{ __typename }" };

async function protocol() {
  await check("the subprotocol is graphql-transport-ws", async () => {
    const { socket, open } = raw();
    await open;
    equal(socket.protocol, PROTOCOL, "subprotocol");
    socket.close();
  });
  await check("another subprotocol is not served", async () => {
    const connection = raw(["graphql-ws"]);
    const opened = await connection.open.then(() => true, () => false);
    // Refused at the handshake, or closed at once with 4406.
    if (opened) equal((await connection.closed()).code, 4406, "close code");
  });
  await check("4400: a text that is not JSON", () => closesWith(4400, ({ send }) => send("{")));
  await check("4400: a message of no type", () => closesWith(4400, ({ send }) => send({ id: "1" })));
  await check("4400: a message of an unknown type", () => closesWith(4400, ({ send }) => send({ type: "start" })));
  await check("4400: a subscribe without an id", () =>
    closesWith(4400, ({ send }) => send({ type: "subscribe", payload: TYPENAME })));
  await check("4400: a subscribe without a query", () =>
    closesWith(4400, ({ send }) => send({ type: "subscribe", id: "1", payload: {} })));
  await check("4401: a subscribe before the handshake", () =>
    closesWith(4401, ({ send }) => send({ type: "subscribe", id: "1", payload: TYPENAME }), raw));
  await check("4408: no connection_init in time", async () => {
    const connection = raw();
    await connection.open;
    equal((await connection.closed(20_000)).code, 4408, "close code");
  });
  await check("4409: an id that is in use", () =>
    closesWith(4409, ({ send }) => {
      const payload = { query: 'subscription { ' + LIVE + ' }' };
      send({ type: "subscribe", id: "same", payload });
      send({ type: "subscribe", id: "same", payload });
    }));
  await check("4429: a second connection_init", () =>
    closesWith(4429, ({ send }) => send({ type: "connection_init" })));
  await check("4429: two connection_init at once", () =>
    closesWith(
      4429,
      ({ send }) => {
        send({ type: "connection_init" });
        send({ type: "connection_init" });
      },
      raw,
    ));
  await check("a ping is answered by a pong, before the handshake too", async () => {
    const connection = raw();
    await connection.open;
    connection.send({ type: "ping" });
    equal((await connection.next()).type, "pong", "before");
    connection.send({ type: "connection_init" });
    equal((await connection.next()).type, "connection_ack", "handshake");
    connection.send({ type: "ping", payload: { a: 1 } });
    equal((await connection.next()).type, "pong", "after");
    connection.send({ type: "pong" });
    connection.send({ type: "subscribe", id: "1", payload: TYPENAME });
    equal((await connection.next()).type, "next", "a pong nobody asked for changes nothing");
    connection.socket.close();
  });
  await check("a query ends with complete, and its id is free again", async () => {
    const connection = await acknowledged();
    for (const _ of [1, 2]) {
      connection.send({ type: "subscribe", id: "1", payload: TYPENAME });
      equal(await connection.next(), { id: "1", type: "next", payload: { data: { __typename: "QueryRoot" } } });
      equal(await connection.next(), { id: "1", type: "complete" });
    }
    connection.socket.close();
  });
  await check("an invalid query is answered by error, and nothing after it", async () => {
    const connection = await acknowledged();
    connection.send({ type: "subscribe", id: "1", payload: { query: "{ noSuchField }" } });
    const error = await connection.next();
    equal([error.type, error.id], ["error", "1"], "the answer");
    holds(Array.isArray(error.payload) && error.payload[0].message, "its payload is a list of errors");
    connection.send({ type: "subscribe", id: "2", payload: TYPENAME });
    equal((await connection.next()).id, "2", "the next message is of the next operation");
    connection.socket.close();
  });
  await check("complete from the client ends a subscription, and frees its id", async () => {
    const connection = await acknowledged();
    const payload = { query: "subscription { " + LIVE + " }" };
    connection.send({ type: "subscribe", id: "1", payload });
    connection.send({ type: "complete", id: "1" });
    connection.send({ type: "subscribe", id: "1", payload: TYPENAME });
    let message = await connection.next();
    while (message.payload?.data?.__typename === undefined) message = await connection.next();
    equal(message.id, "1", "id");
    connection.socket.close();
  });
}

// SCHEMA-PART

await protocol();
score();
