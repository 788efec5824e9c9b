// An SMSC around the npm package "smpp", on a free port of 127.0.0.1. It takes every bind, gives each submit_sm a
// message id and, when one is asked for, sends a DELIVRD receipt in text and parameters.
//
// One JSON object a line: {"port": n}, then {"submit": {…}} with what the package itself makes of the text, and
// {"acknowledged": id} when a receipt is. Ends with its standard input.
"use strict";

const smpp = require("smpp");

const first = parseInt(process.argv[2] || "1", 10);
let last = first - 1;

function tell(what) {
  process.stdout.write(JSON.stringify(what) + "\n");
}

function stamp() {
  return new Date().toISOString().replace(/[-:T]/g, "").slice(2, 12);
}

function textOf(pdu) {
  const body = pdu.message_payload !== undefined ? pdu.message_payload : pdu.short_message;
  const udh = (body.udh || []).map((element) => element.toString("hex"));
  return { text: String(body.message), udh };
}

const receivers = new Map(); // system_id -> the session that may have receipts

function sendReceipt(session, pdu, id) {
  const when = stamp();
  const text = `id:${id} sub:001 dlvrd:001 submit date:${when} done date:${when} stat:DELIVRD err:000 text:`;
  receivers.get(session.systemId).deliver_sm(
    {
      source_addr: pdu.destination_addr,
      source_addr_ton: pdu.dest_addr_ton,
      source_addr_npi: pdu.dest_addr_npi,
      destination_addr: pdu.source_addr,
      dest_addr_ton: pdu.source_addr_ton,
      dest_addr_npi: pdu.source_addr_npi,
      esm_class: smpp.ESM_CLASS.MC_DELIVERY_RECEIPT,
      data_coding: 0,
      short_message: { message: Buffer.from(text, "latin1") },
      receipted_message_id: id,
      message_state: smpp.MESSAGE_STATE.DELIVERED,
    },
    (answer) => tell(answer.command_status === 0 ? { acknowledged: id } : { refused: id }),
  );
}

function take(session, pdu) {
  last += 1;
  const id = last.toString(16).toUpperCase();
  tell({
    submit: {
      id,
      source: pdu.source_addr,
      destination: pdu.destination_addr,
      data_coding: pdu.data_coding,
      esm_class: pdu.esm_class,
      ...textOf(pdu),
    },
  });
  session.send(pdu.response({ message_id: id }));
  if (pdu.registered_delivery & 1) sendReceipt(session, pdu, id);
}

const server = smpp.createServer({}, (session) => {
  for (const kind of ["bind_transceiver", "bind_receiver", "bind_transmitter"]) {
    session.on(kind, (pdu) => {
      session.systemId = pdu.system_id;
      if (kind !== "bind_transmitter") receivers.set(pdu.system_id, session);
      session.send(pdu.response({ system_id: "NODE" }));
    });
  }
  session.on("enquire_link", (pdu) => session.send(pdu.response()));
  session.on("unbind", (pdu) => {
    session.send(pdu.response());
    session.close();
  });
  session.on("error", () => session.destroy());
  session.on("submit_sm", (pdu) => take(session, pdu));
});
server.listen(0, "127.0.0.1", () => tell({ port: server.address().port }));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
