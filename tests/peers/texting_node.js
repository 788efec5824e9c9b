// An SMSC around the npm package "smpp" whose subscribers write to a number of the one who is bound. It takes every
// bind, sends one deliver_sm at a time and waits for its answer, as networks with a window of one do.
//
// Reads one JSON object a line: {"id", "source", "destination", "text", "size", "form", "tons": [of the source, of the
// destination]}; a text longer than `size` characters goes in parts, with a header ("udh") or parameters ("sar"), or whole ("payload"). Writes {"port": n},
// {"bound": system_id}, and {"id", "statuses": [one a part]}. Ends with its standard input.
"use strict";

const readline = require("readline");
const smpp = require("smpp");

let receiver = null;
let reference = 0;
const queue = [];

function tell(what) {
  process.stdout.write(JSON.stringify(what) + "\n");
}

function bodies({ source, destination, text, size, form, tons }) {
  const [source_addr_ton, dest_addr_ton] = tons;
  const body = { source_addr: source, source_addr_ton, destination_addr: destination, dest_addr_ton, dest_addr_npi: 1 };
  if (form === "payload") return [{ ...body, message_payload: { message: text } }];
  const signs = [...text];
  const total = Math.max(1, Math.ceil(signs.length / size));
  reference = (reference + 1) % 256;
  const parts = [];
  for (let part = 1; part <= total; part += 1) {
    const message = signs.slice((part - 1) * size, part * size).join("");
    if (total === 1) parts.push({ ...body, short_message: { message } });
    else if (form === "sar")
      parts.push({
        ...body,
        short_message: { message },
        sar_msg_ref_num: reference,
        sar_total_segments: total,
        sar_segment_seqnum: part,
      });
    else parts.push({ ...body, esm_class: 0x40, short_message: { udh: Buffer.from([5, 0, 3, reference, total, part]), message } });
  }
  return parts;
}

function deliver(body) {
  return new Promise((resolve) => receiver.deliver_sm(body, (answer) => resolve(answer.command_status)));
}

let working = false;

async function work() {
  if (working || receiver === null) return;
  working = true;
  while (queue.length > 0) {
    const wish = queue.shift();
    const statuses = [];
    for (const body of bodies(wish)) statuses.push(await deliver(body));
    tell({ id: wish.id, statuses });
  }
  working = false;
}

const server = smpp.createServer({}, (session) => {
  for (const kind of ["bind_transceiver", "bind_receiver", "bind_transmitter"]) {
    session.on(kind, (pdu) => {
      session.send(pdu.response({ system_id: "NODE" }));
      if (kind === "bind_transmitter") return;
      receiver = session;
      tell({ bound: pdu.system_id });
      work();
    });
  }
  session.on("enquire_link", (pdu) => session.send(pdu.response()));
  session.on("unbind", (pdu) => {
    session.send(pdu.response());
    session.close();
  });
  session.on("error", () => session.destroy());
});
server.listen(0, "127.0.0.1", () => tell({ port: server.address().port }));
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  queue.push(JSON.parse(line));
  work();
});
process.stdin.on("end", () => process.exit(0));
