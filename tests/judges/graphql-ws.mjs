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
const QUERY_ROOT = "Query";
/** A subscription that stays open: set once there is a facility. */
let LIVE;

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
      const payload = { query: `subscription { ${LIVE} }` };
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
      equal(await connection.next(), { id: "1", type: "next", payload: { data: { __typename: QUERY_ROOT } } });
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
    const payload = { query: `subscription { ${LIVE} }` };
    connection.send({ type: "subscribe", id: "1", payload });
    connection.send({ type: "complete", id: "1" });
    connection.send({ type: "subscribe", id: "1", payload: TYPENAME });
    let message = await connection.next();
    while (message.payload?.data?.__typename === undefined) message = await connection.next();
    equal(message.id, "1", "id");
    connection.socket.close();
  });
}

const REGISTER = `mutation ($input: RegisterFacilityInput!) {
  registerFacility(input: $input) { facilityId position repeated refusal { code message } }
}`;
const PASS = `mutation ($input: RecordPassageInput!) {
  recordPassage(input: $input) { visitId position repeated refusal { code } }
}`;
const OCCUPANCY = `subscription ($facilities: [ID!]!, $after: String) {
  occupancy(facilities: $facilities, after: $after) { facilityId inside free position }
}`;
const ACTIVITY = `subscription ($facility: ID!, $after: String) {
  laneActivity(facilityId: $facility, lane: "in", after: $after) { event position }
}`;

const layout = {
  areas: [{ id: "hall", name: "Hall" }],
  pools: [{ id: "day", name: "Day", places: 10 }],
  lanes: [{ id: "in", name: "In", to: "hall", pool: "day" }],
};

const passage = (facilityId) => ({
  input: { commandId: commandId(), facilityId, lane: "in", direction: "ENTRY", happenedAt: new Date().toISOString() },
});

/** Takes results of a subscription until one is as wanted. */
async function until(results, wanted) {
  for (;;) {
    const { value, done } = await within(10_000, results.next(), "the next result");
    holds(!done, "the subscription goes on");
    equal(value.errors, undefined, "errors");
    if (wanted(value.data)) return value.data;
  }
}

async function clients() {
  const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });
  let facilityId;
  await check("client: a query", async () => {
    equal((await one(client, "{ __typename }")).__typename, QUERY_ROOT);
    const { facilities } = await one(client, "{ facilities { totalCount nodes { id } } }");
    equal(facilities.totalCount, facilities.nodes.length, "facilities");
  });
  await check("client: a mutation, and its repeat", async () => {
    const input = {
      commandId: commandId(),
      operator: "city",
      name: "Judged",
      zone: "Europe/Prague",
      currency: "CZK",
      layout,
    };
    const { registerFacility: first } = await one(client, REGISTER, { input });
    equal([first.refusal, first.repeated], [null, false], "first");
    const { registerFacility: second } = await one(client, REGISTER, { input });
    equal(second, { ...first, repeated: true }, "second");
    facilityId = first.facilityId;
  });
  await check("client: a state subscription ends on the last state, and resumes", async () => {
    const results = client.iterate({ query: OCCUPANCY, variables: { facilities: [facilityId] } });
    await until(results, (data) => data.occupancy.inside === 0);
    for (let count = 0; count < 3; count += 1) await one(client, PASS, passage(facilityId));
    const last = await until(results, (data) => data.occupancy.inside === 3);
    equal(last.occupancy.free, 7, "free");
    await results.return();
    const { recordPassage } = await one(client, PASS, passage(facilityId));
    const variables = { facilities: [facilityId], after: recordPassage.position };
    const resumed = client.iterate({ query: OCCUPANCY, variables });
    await until(resumed, (data) => data.occupancy.inside === 4);
    await resumed.return();
  });
  await check("client: an event subscription misses nothing and doubles nothing", async () => {
    const position = (await one(client, PASS, passage(facilityId))).recordPassage.position;
    const results = client.iterate({ query: ACTIVITY, variables: { facility: facilityId, after: position } });
    const sent = [];
    for (let count = 0; count < 20; count += 1) {
      sent.push((await one(client, PASS, passage(facilityId))).recordPassage.position);
    }
    const seen = [];
    while (seen.length < sent.length) seen.push((await until(results, () => true)).laneActivity.position);
    equal(seen, sent, "positions");
    await results.return();
    const middle = sent[9];
    const resumed = client.iterate({ query: ACTIVITY, variables: { facility: facilityId, after: middle } });
    const rest = [];
    while (rest.length < 10) rest.push((await until(resumed, () => true)).laneActivity.position);
    equal(rest, sent.slice(10), "positions after the resumption");
    await resumed.return();
  });
  await check("client: many operations on one socket", async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => one(client, "{ __typename }")));
    equal(answers.length, 50, "answers");
  });
  await check("client: an invalid document is an error of that operation only", async () => {
    const failed = await all(client, "{ noSuchField }").then(() => null, (error) => error);
    holds(Array.isArray(failed) && failed[0].message, "a list of errors");
    equal((await one(client, "{ __typename }")).__typename, QUERY_ROOT);
  });
  await check("client: keeps alive by pings", async () => {
    const pongs = [];
    const patient = createClient({
      url,
      webSocketImpl: WebSocket,
      lazy: false,
      keepAlive: 100,
      on: { pong: (received) => received && pongs.push(1) },
    });
    await within(5_000, new Promise((resolve) => {
      const timer = setInterval(() => pongs.length >= 3 && (clearInterval(timer), resolve()), 20);
    }), "three pongs");
    await patient.dispose();
  });
  await client.dispose();
  return facilityId;
}

LIVE = `occupancy(facilities: ["${await clients()}"]) { inside }`;
await protocol();
score();
