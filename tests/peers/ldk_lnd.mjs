// LND's words for one LDK node: its invoices, its payments, and the answers of LND's REST interface.
//
// Shapes and error texts are those of LND's REST reference and source as research/lightning.md, 2.1, has them:
// bytes are base64, 64-bit integers are strings, an error is {code, message, details} with gRPC's code.

import { createHash } from "node:crypto";
import { ldk } from "./ldk_node.mjs";

const UNKNOWN_ERROR = 2;
const INVALID = 3;
const NOT_FOUND = 5;
const EXISTS = 6;
const MEMO_MAX = 1024;
const NO_PREIMAGE = "00".repeat(32);
const CLTV_LEAST = 24; // what LDK makes an invoice with
const GIVEN_BACK = 21; // so many blocks before its end LDK gives an HTLC back
const REASONS = {
  0: "FAILURE_REASON_INCORRECT_PAYMENT_DETAILS", // LDK: RecipientRejected
  2: "FAILURE_REASON_NO_ROUTE", // RetriesExhausted
  4: "FAILURE_REASON_NO_ROUTE", // RouteNotFound
};

/** An error as LND's gateway says it. */
export class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
    this.status = { [INVALID]: 400, [NOT_FOUND]: 404, [EXISTS]: 409 }[code] ?? 500;
  }
}

const hex = (octets) => Buffer.from(octets).toString("hex");
const seconds = () => Math.floor(Date.now() / 1000);

function hash32(octets, what) {
  if (octets.length !== 32) throw new Refused(UNKNOWN_ERROR, `invalid ${what} length of ${octets.length}, want 32`);
  return octets;
}

/** Octets that came as base64, the usual or the one for addresses. */
export function unbase64(text) {
  return Buffer.from(String(text ?? "").replaceAll("-", "+").replaceAll("_", "/"), "base64");
}

/** The invoices and payments of a node. `pair` runs both nodes, `changed` hears of each record that changed. */
export class Account {
  constructor(pair, node, saved, changed) {
    this.pair = pair;
    this.node = node;
    this.invoices = new Map(saved?.invoices ?? []);
    this.payments = new Map(saved?.payments ?? []);
    this.changed = changed;
  }

  save() {
    return { invoices: [...this.invoices], payments: [...this.payments] };
  }

  // Invoices.

  addHold(body) {
    const hash = hash32(unbase64(body.hash), "hash");
    if (this.invoices.has(hex(hash))) throw new Refused(UNKNOWN_ERROR, "invoice with payment hash already exists");
    const invoice = this.#add(body, hash);
    return {
      payment_request: invoice.payment_request,
      add_index: invoice.add_index,
      payment_addr: invoice.payment_addr,
    };
  }

  addPlain(body) {
    const { r_hash, payment_request, add_index, payment_addr } = this.#add(body, null);
    return { r_hash, payment_request, add_index, payment_addr };
  }

  #add(body, hash) {
    const msat = BigInt(body.value_msat ?? 0) || BigInt(body.value ?? 0) * 1000n;
    const memo = String(body.memo ?? "");
    if (Buffer.byteLength(memo) > MEMO_MAX) {
      throw new Refused(UNKNOWN_ERROR, `memo too large: ${Buffer.byteLength(memo)} bytes (maxsize=${MEMO_MAX})`);
    }
    const expiry = Number(body.expiry ?? 0) || 86_400;
    const cltv = Math.max(Number(body.cltv_expiry ?? 0) || 80, CLTV_LEAST);
    this.node.clock(this.pair.height);
    const made = this.node.invoice(msat, memo, expiry, cltv, hash);
    const invoice = {
      hold: hash !== null,
      memo,
      r_hash: Buffer.from(made.payment_hash()).toString("base64"),
      r_preimage: "",
      payment_addr: Buffer.from(made.payment_secret()).toString("base64"),
      payment_request: made.to_str(),
      value_msat: String(msat),
      creation_date: String(made.duration_since_epoch()),
      settle_date: "0",
      expiry: String(expiry),
      cltv_expiry: String(cltv),
      add_index: String(this.invoices.size + 1),
      state: "OPEN",
      htlcs: [],
    };
    this.invoices.set(hex(made.payment_hash()), invoice);
    this.changed("invoice", invoice);
    return invoice;
  }

  invoice(hash) {
    const found = this.invoices.get(hex(hash32(hash, "hash")));
    if (!found) throw new Refused(NOT_FOUND, "unable to locate invoice");
    return found;
  }

  #known(hash) {
    const found = this.invoices.get(hex(hash));
    if (!found) throw new Refused(UNKNOWN_ERROR, "unable to locate invoice");
    return found;
  }

  settle(body) {
    const preimage = hash32(unbase64(body.preimage), "preimage");
    const invoice = this.#known(createHash("sha256").update(preimage).digest());
    if (invoice.state === "OPEN") throw new Refused(UNKNOWN_ERROR, "invoice still open");
    if (invoice.state === "CANCELED") throw new Refused(UNKNOWN_ERROR, "invoice already canceled");
    if (invoice.state === "ACCEPTED") this.#settled(invoice, preimage);
    return {};
  }

  cancel(body) {
    const hash = hash32(unbase64(body.payment_hash), "hash");
    const invoice = this.#known(hash);
    if (invoice.state === "SETTLED") throw new Refused(UNKNOWN_ERROR, "invoice already settled");
    if (invoice.state !== "CANCELED") {
      this.#canceled(invoice);
      this.node.manager.fail_htlc_backwards(hash);
      this.pair.run();
    }
    return {};
  }

  #settled(invoice, preimage) {
    this.#end(invoice, "SETTLED");
    invoice.r_preimage = Buffer.from(preimage).toString("base64");
    invoice.settle_date = String(seconds());
    this.changed("invoice", invoice);
    this.node.manager.claim_funds(preimage);
    this.pair.run();
  }

  #canceled(invoice) {
    this.#end(invoice, "CANCELED");
    this.changed("invoice", invoice);
  }

  #end(invoice, state) {
    invoice.state = state;
    for (const htlc of invoice.htlcs) Object.assign(htlc, { state, resolve_time: String(seconds()) });
  }

  /** Cancel what can be paid no more. True if there was something. */
  expire() {
    const late = [...this.invoices.values()].filter(
      (invoice) => invoice.state === "OPEN" && Number(invoice.creation_date) + Number(invoice.expiry) <= seconds(),
    );
    late.forEach((invoice) => this.#canceled(invoice));
    return late.length > 0;
  }

  invoiceSaid(invoice) {
    const { hold: _hold, ...said } = invoice;
    const paid = invoice.htlcs
      .filter((htlc) => htlc.state === "SETTLED")
      .reduce((sum, htlc) => sum + BigInt(htlc.amt_msat), 0n);
    return {
      ...said,
      value: String(BigInt(invoice.value_msat) / 1000n),
      settled: invoice.state === "SETTLED",
      amt_paid: String(paid),
      amt_paid_sat: String(paid / 1000n),
      amt_paid_msat: String(paid),
      private: true,
      is_keysend: false,
      is_amp: false,
    };
  }

  // Payments.

  /** Begin to pay; the payment as it is after that. `msat` pays another amount than the invoice says. */
  pay(body, msat) {
    const parsed = ldk.Bolt11Invoice.constructor_from_str(String(body.payment_request ?? ""));
    if (!parsed.is_ok()) throw new Refused(UNKNOWN_ERROR, "checksum failed");
    const invoice = parsed.res;
    const hash = hex(invoice.payment_hash());
    const before = this.payments.get(hash);
    if (before?.status === "SUCCEEDED") throw new Refused(EXISTS, "invoice is already paid");
    if (before?.status === "IN_FLIGHT") throw new Refused(EXISTS, "payment is in transition");
    if (invoice.duration_since_epoch() + invoice.expiry_time() <= BigInt(seconds())) throw new Refused(UNKNOWN_ERROR, "invoice expired");
    if (hex(invoice.get_payee_pub_key()) === hex(this.node.id)) {
      throw new Refused(UNKNOWN_ERROR, "self-payments not allowed");
    }
    const amount = invoice.amount_milli_satoshis().some;
    if (!amount) throw new Refused(UNKNOWN_ERROR, "amount must be specified when paying a zero amount invoice");
    const payment = {
      payment_hash: hash,
      payment_request: body.payment_request,
      payment_preimage: NO_PREIMAGE,
      value_msat: String(msat ?? amount),
      creation_date: String(seconds()),
      fee_msat: "0",
      status: "IN_FLIGHT",
      failure_reason: "FAILURE_REASON_NONE",
      payment_index: String(this.payments.size + 1),
    };
    this.payments.set(hash, payment);
    const limit = BigInt(body.fee_limit_msat ?? 0) || BigInt(body.fee_limit_sat ?? 0) * 1000n;
    payment.attempt = this.node.pay(invoice, limit, msat);
    if (payment.attempt === null) this.#failed(payment, "FAILURE_REASON_NO_ROUTE");
    else this.changed("payment", payment);
    this.pair.run();
    return payment;
  }

  payment(hash) {
    const found = this.payments.get(hex(hash32(hash, "hash")));
    if (!found) throw new Refused(NOT_FOUND, "payment isn't initiated");
    return found;
  }

  #failed(payment, reason) {
    Object.assign(payment, { status: "FAILED", failure_reason: reason });
    this.changed("payment", payment);
  }

  paymentSaid(payment) {
    const { attempt: _attempt, ...said } = payment;
    const sats = String(BigInt(payment.value_msat) / 1000n);
    return { ...said, value: sats, value_sat: sats, fee: "0", fee_sat: "0", htlcs: [] };
  }

  // What LDK tells.

  heard(event) {
    if (event instanceof ldk.Event_PaymentClaimable) this.#claimable(event);
    else if (event instanceof ldk.Event_HTLCHandlingFailed) this.#dropped(event);
    else if (event instanceof ldk.Event_PaymentSent) this.#sent(event);
    else if (event instanceof ldk.Event_PaymentFailed) this.#lost(event);
  }

  #claimable(event) {
    const hash = Buffer.from(event.payment_hash);
    const invoice = this.invoices.get(hex(hash));
    if (invoice?.state !== "OPEN") {
      this.node.manager.fail_htlc_backwards(hash);
      return;
    }
    invoice.htlcs = this.#pending(hash).map((htlc) => ({
      chan_id: "1",
      htlc_index: String(htlc.get_htlc_id()),
      amt_msat: String(htlc.get_amount_msat()),
      accept_height: this.pair.height,
      accept_time: String(seconds()),
      resolve_time: "0",
      expiry_height: htlc.get_cltv_expiry(),
      state: "ACCEPTED",
    }));
    invoice.state = "ACCEPTED";
    if (invoice.hold) this.changed("invoice", invoice);
    else this.#settled(invoice, event.purpose.payment_preimage.some);
  }

  #pending(hash) {
    const all = this.node.channel?.get_pending_inbound_htlcs() ?? [];
    return all.filter((htlc) => hash.equals(Buffer.from(htlc.get_payment_hash())));
  }

  /** LDK gave an HTLC back, maybe by itself because its time ran out: LND cancels the invoice then. */
  #dropped(event) {
    const hash = event.failed_next_destination?.payment_hash;
    const invoice = hash && this.invoices.get(hex(hash));
    if (!invoice || invoice.state !== "ACCEPTED") return;
    const deadline = Math.min(...invoice.htlcs.map((htlc) => htlc.expiry_height));
    if (deadline - this.pair.height <= GIVEN_BACK) this.#canceled(invoice);
  }

  #attempt(id) {
    return [...this.payments.values()].find((payment) => payment.attempt === hex(id));
  }

  #sent(event) {
    const payment = this.#attempt(event.payment_id.some);
    Object.assign(payment, { status: "SUCCEEDED", payment_preimage: hex(event.payment_preimage) });
    payment.fee_msat = String(event.fee_paid_msat.some ?? 0n);
    this.changed("payment", payment);
  }

  #lost(event) {
    const payment = this.#attempt(event.payment_id);
    this.#failed(payment, REASONS[event.reason.some] ?? "FAILURE_REASON_ERROR");
  }

  // The node.

  info() {
    return {
      version: "0.18.5-beta (LDK)",
      identity_pubkey: hex(this.node.id),
      alias: this.node.name,
      num_active_channels: this.node.channel?.get_is_usable() ? 1 : 0,
      num_peers: this.pair.connected ? 1 : 0,
      block_height: this.pair.height,
      synced_to_chain: true,
      synced_to_graph: true,
      chains: [{ chain: "bitcoin", network: "regtest" }],
    };
  }

  balance() {
    const channel = this.node.channel;
    const amount = (msat) => ({ sat: String(msat / 1000n), msat: String(msat) });
    const reserve = (channel.get_unspendable_punishment_reserve().some ?? 0n) * 1000n;
    const local = channel.get_outbound_capacity_msat() + reserve;
    const remote = channel.get_inbound_capacity_msat();
    return { balance: String(local / 1000n), local_balance: amount(local), remote_balance: amount(remote) };
  }
}
