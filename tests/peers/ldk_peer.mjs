// A Lightning peer for tests: two LDK nodes with a channel, each behind LND's REST interface on 127.0.0.1.
//
//   node ldk_peer.mjs '{"macaroon": "00ff", "state": "file", "certificate": "pem", "key": "pem", "ports": [0, 0, 0]}'
//
// All but the macaroon may be left out. The ports are the merchant's, the payer's and the control's (plain
// HTTP, see `control`). Prints {"ports": […]} when it can be used and ends with its standard input. With `state`
// every change is in that file before it is answered, so a peer that was killed goes on where it was: HTLCs that
// were held are still held.

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import { deserialize, serialize } from "node:v8";
import { initialize, Pair } from "./ldk_node.mjs";
import { Account, Refused, unbase64 } from "./ldk_lnd.mjs";

const BODY_MAX = 65_536;
const EXPIRY_LOOK = 100; // milliseconds

const options = JSON.parse(process.argv[2]);
await initialize();

const saved = options.state ? load(options.state) : null;
const watchers = new Set(); // functions that hear of every record that changed
const changed = (kind, record) => watchers.forEach((tell) => tell(kind, record));
const pair = new Pair(saved?.pair ?? null);
const merchant = new Account(pair, pair.merchant, saved?.merchant, changed);
const payer = new Account(pair, pair.payer, saved?.payer, changed);
pair.listener = (node, event) => (node === pair.merchant ? merchant : payer).heard(event);
pair.begin();
save();

function load(path) {
  try {
    return deserialize(readFileSync(path));
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw error;
  }
}

function save() {
  if (!options.state) return;
  const all = { pair: pair.save(), merchant: merchant.save(), payer: payer.save() };
  writeFileSync(`${options.state}.new`, serialize(all));
  renameSync(`${options.state}.new`, options.state);
}

setInterval(() => {
  const [ours, theirs] = [merchant.expire(), payer.expire()];
  if (ours || theirs) save();
}, EXPIRY_LOOK);

// LND's interface.

/** A stream of answers, one JSON object a line. They leave after what they tell of was saved. */
class Lines {
  constructor(response) {
    this.response = response;
  }

  tell(result) {
    const line = JSON.stringify({ result }) + "\n";
    setImmediate(() => {
      if (!this.response.headersSent) this.response.writeHead(200, { "Content-Type": "application/json" });
      this.response.write(line);
    });
  }

  /** Tell of the records of a kind that change and are wanted; until `last` says that one was the last. */
  follow(kind, wanted, say, last = () => false) {
    const tell = (of, record) => {
      if (of !== kind || !wanted(record)) return;
      this.tell(say(record));
      if (last(record)) this.end();
    };
    watchers.add(tell);
    this.response.on("close", () => watchers.delete(tell));
  }

  end() {
    setImmediate(() => this.response.end());
  }
}

function followPayment(account, payment, lines) {
  const over = (record) => record.status !== "IN_FLIGHT";
  lines.tell(account.paymentSaid(payment));
  if (over(payment)) lines.end();
  else lines.follow("payment", (record) => record === payment, (record) => account.paymentSaid(record), over);
}

function followInvoice(account, hash, lines) {
  const wanted = (record) => record.r_hash === hash.toString("base64");
  const over = (record) => record.state === "SETTLED" || record.state === "CANCELED";
  const known = account.invoices.get(hash.toString("hex"));
  if (known) lines.tell(account.invoiceSaid(known));
  if (known && over(known)) lines.end();
  else lines.follow("invoice", wanted, (record) => account.invoiceSaid(record), over);
}

function followInvoices(account, lines) {
  const mine = (record) => [...account.invoices.values()].includes(record);
  const told = (record) => mine(record) && ["OPEN", "SETTLED"].includes(record.state);
  lines.follow("invoice", told, (record) => account.invoiceSaid(record));
}

const invoiceOf = (account, hash) => account.invoiceSaid(account.invoice(hash));

/** Method and path -> what answers: (account, part of the path, body, lines, query) -> answer; streams give none. */
const PATHS = [
  ["GET", /^\/v1\/getinfo$/, (account) => account.info()],
  ["GET", /^\/v1\/balance\/channels$/, (account) => account.balance()],
  ["POST", /^\/v1\/invoices$/, (account, _, body) => account.addPlain(body)],
  ["POST", /^\/v2\/invoices\/hodl$/, (account, _, body) => account.addHold(body)],
  ["POST", /^\/v2\/invoices\/settle$/, (account, _, body) => account.settle(body)],
  ["POST", /^\/v2\/invoices\/cancel$/, (account, _, body) => account.cancel(body)],
  ["GET", /^\/v1\/invoices\/subscribe$/, (account, _, __, lines) => followInvoices(account, lines)],
  ["GET", /^\/v1\/invoice\/([0-9a-f]*)$/, (account, hash) => invoiceOf(account, Buffer.from(hash, "hex"))],
  ["GET", /^\/v2\/invoices\/lookup$/, (account, _, __, ___, query) =>
    invoiceOf(account, unbase64(query.get("payment_hash"))),
  ],
  ["GET", /^\/v2\/invoices\/subscribe\/(.+)$/, (account, hash, _, lines) =>
    followInvoice(account, unbase64(hash), lines),
  ],
  ["POST", /^\/v2\/router\/send$/, (account, _, body, lines) => followPayment(account, account.pay(body), lines)],
  ["GET", /^\/v2\/router\/track\/(.+)$/, (account, hash, _, lines) =>
    followPayment(account, account.payment(unbase64(hash)), lines),
  ],
];

function authorize(request) {
  const macaroon = request.headers["grpc-metadata-macaroon"];
  if (macaroon === undefined) throw new Refused(2, "expected 1 macaroon, got 0");
  if (macaroon.toLowerCase() !== options.macaroon.toLowerCase()) {
    throw new Refused(2, "verification failed: signature mismatch after caveat verification");
  }
}

function answerOf(account, request, body, lines) {
  const url = new URL(request.url, "http://node");
  for (const [method, path, answer] of PATHS) {
    const match = request.method === method && path.exec(decodeURIComponent(url.pathname));
    if (match) {
      authorize(request);
      return answer(account, match[1], body, lines, url.searchParams) ?? null;
    }
  }
  throw new Refused(5, "Not Found");
}

async function bodyOf(request) {
  let text = "";
  for await (const chunk of request) {
    text += chunk;
    if (text.length > BODY_MAX) throw new Refused(3, "the body is too large");
  }
  try {
    return text ? JSON.parse(text) : {};
  } catch {
    throw new Refused(3, "invalid body");
  }
}

function send(response, status, body) {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(body));
}

function refuse(response, error, streaming) {
  if (!(error instanceof Refused)) process.stderr.write(`${error.stack}\n`);
  const said = { code: error.code ?? 2, message: error.message, details: [] };
  send(response, error.status ?? 500, streaming ? { error: said } : said);
}

function facade(account) {
  return async (request, response) => {
    try {
      const answer = answerOf(account, request, await bodyOf(request), new Lines(response));
      if (request.method === "POST") save();
      if (answer !== null) send(response, 200, answer);
    } catch (error) {
      refuse(response, error, /subscribe|router/.test(request.url));
    }
  };
}

// What only a test can do.

const CONTROL = {
  /** Find `blocks`. */
  mine: ({ blocks }) => pair.mine(blocks),
  /** Cut or mend the line between the nodes. */
  line: ({ up }) => (up ? pair.connect() : pair.disconnect()),
  /** The payer pays another amount than the invoice says. */
  pay: ({ payment_request, msat }) =>
    payer.paymentSaid(payer.pay({ payment_request, fee_limit_sat: 10 }, BigInt(msat))),
  /** Close or open the merchant's port; requests that are under way are cut. */
  door: async ({ open }) => {
    if (open) {
      await listen(servers[0], ports[0]);
    } else {
      const closed = new Promise((done) => servers[0].close(() => done()));
      servers[0].closeAllConnections();
      await closed;
    }
  },
};

async function control(request, response) {
  try {
    const answer = await CONTROL[request.url.slice(1)](await bodyOf(request));
    save();
    send(response, 200, answer ?? {});
  } catch (error) {
    refuse(response, error, false);
  }
}

function server(account) {
  if (!options.certificate) return http.createServer(facade(account));
  const tls = { cert: readFileSync(options.certificate), key: readFileSync(options.key) };
  return https.createServer(tls, facade(account));
}

function listen(opened, port) {
  return new Promise((done, failed) => {
    opened.once("error", failed);
    opened.listen(port, "127.0.0.1", () => done(opened.address().port));
  });
}

const servers = [server(merchant), server(payer), http.createServer(control)];
const wanted = options.ports ?? [0, 0, 0];
const ports = [];
for (const [place, opened] of servers.entries()) ports.push(await listen(opened, wanted[place]));
process.stdout.write(JSON.stringify({ ports }) + "\n");
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
