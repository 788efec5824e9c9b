// One Lightning node made of LDK (npm `lightningdevkit`), and a pair of them with a channel in between.
//
// There is no chain: the funding transaction is made up, the merchant trusts the payer's channel before it is
// confirmed, and blocks are heights that are told to both. Everything else is what LDK does between two
// machines: handshake, commitments, HTLCs. What a pair is can be saved and loaded at any moment.

import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as ldk from "lightningdevkit";

const FIRST_HEIGHT = 800_000;
const CHANNEL_SATS = 16_000_000n;
const PUSHED_SATS = 4_000_000n; // the merchant's part of the channel, so that it can keep its reserve and pay
const FEERATE = 5_000; // sats for 1000 units of weight: HTLCs below some 3,700 sats need no signature of their own

const NONE_ADDRESS = () => ldk.Option_SocketAddressZ.constructor_none();

/** Load the library. Everything else is called after it. */
export async function initialize() {
  const entry = fileURLToPath(import.meta.resolve("lightningdevkit"));
  await ldk.initializeWasmFromBinary(readFileSync(new URL("liblightningjs.wasm", `file://${entry}`)));
}

function must(result, what) {
  if (!result.is_ok()) throw new Error(`${what}: ${result.err?.err ?? result.err?.constructor?.name ?? result.err}`);
  return result.res;
}

/** The 80 octets of a block's header; only its time is looked at. */
function header(height) {
  const octets = Buffer.alloc(80);
  createHash("sha256").update(`block ${height - 1}`).digest().copy(octets, 4);
  octets.writeUInt32LE(Math.floor(Date.now() / 1000), 68);
  octets.writeUInt32LE(height, 76);
  return octets;
}

/** A transaction with one output to `script`, spending an output that never was. */
function fundingTransaction(script, sats) {
  const value = Buffer.alloc(8);
  value.writeBigUInt64LE(sats);
  return Buffer.concat([
    Buffer.from("02000000" + "0001" + "01" + "00".repeat(36) + "00" + "ffffffff" + "01", "hex"),
    value,
    Buffer.from([script.length]),
    script,
    Buffer.from("01" + "01" + "ff" + "00000000", "hex"),
  ]);
}

function config() {
  const made = ldk.UserConfig.constructor_default();
  const shake = made.get_channel_handshake_config();
  shake.set_max_inbound_htlc_value_in_flight_percent_of_channel(100);
  shake.set_our_max_accepted_htlcs(480);
  made.set_channel_handshake_config(shake);
  const channel = made.get_channel_config();
  channel.set_max_dust_htlc_exposure(ldk.MaxDustHTLCExposure.constructor_fixed_limit_msat(CHANNEL_SATS * 1000n));
  made.set_channel_config(channel);
  made.set_manually_accept_inbound_channels(true);
  return made;
}

/** A node. `saved` is what `save` gave, or null for a new one. */
export class Node {
  constructor(name, saved, height) {
    this.name = name;
    this.seed = saved ? saved.seed : randomBytes(32);
    this.monitors = new Map(saved ? saved.monitors : []);
    this.feeEstimator = ldk.FeeEstimator.new_impl({ get_est_sat_per_1000_weight: () => FEERATE });
    this.broadcaster = ldk.BroadcasterInterface.new_impl({ broadcast_transactions() {} });
    this.logger = ldk.Logger.new_impl({ log: (record) => this.#log(record) });
    const keep = (_outpoint, monitor) => {
      this.monitors.set(Buffer.from(monitor.channel_id().write()).toString("hex"), monitor.write());
      return ldk.ChannelMonitorUpdateStatus.LDKChannelMonitorUpdateStatus_Completed;
    };
    this.persister = ldk.Persist.new_impl({
      persist_new_channel: (outpoint, monitor) => keep(outpoint, monitor),
      update_persisted_channel: (outpoint, _update, monitor) => keep(outpoint, monitor),
      archive_persisted_channel() {},
    });
    this.chain = ldk.ChainMonitor.constructor_new(
      ldk.Option_FilterZ.constructor_none(), this.broadcaster, this.logger, this.feeEstimator, this.persister,
    );
    const now = Date.now();
    this.keys = ldk.KeysManager.constructor_new(this.seed, BigInt(Math.floor(now / 1000)), (now % 1000) * 1_000_000);
    this.graph = ldk.NetworkGraph.constructor_new(ldk.Network.LDKNetwork_Regtest, this.logger);
    this.scorer = ldk.MultiThreadedLockableScore.constructor_new(
      ldk.ProbabilisticScorer.constructor_new(
        ldk.ProbabilisticScoringDecayParameters.constructor_default(), this.graph, this.logger,
      ).as_Score(),
    );
    this.router = ldk.DefaultRouter.constructor_new(
      this.graph, this.logger, this.keys.as_EntropySource(), this.scorer.as_LockableScore(),
      ldk.ProbabilisticScoringFeeParameters.constructor_default(),
    );
    this.messageRouter = ldk.DefaultMessageRouter.constructor_new(this.graph, this.keys.as_EntropySource());
    this.manager = saved ? this.#load(saved.manager) : this.#create(height);
    this.id = this.manager.get_our_node_id();
    const ignorer = ldk.IgnoringMessageHandler.constructor_new();
    this.peers = ldk.PeerManager.constructor_new(
      this.manager.as_ChannelMessageHandler(), ignorer.as_RoutingMessageHandler(),
      ignorer.as_OnionMessageHandler(), ignorer.as_CustomMessageHandler(),
      Math.floor(now / 1000), this.keys.as_EntropySource().get_secure_random_bytes(),
      this.logger, this.keys.as_NodeSigner(),
    );
    this.events = [];
    this.handler = ldk.EventHandler.new_impl({
      handle_event: (event) => {
        this.events.push(event);
        return ldk.Result_NoneReplayEventZ.constructor_ok();
      },
    });
  }

  #log(record) {
    if (process.env.LDK_LOG) process.stderr.write(`${this.name} ${record.get_module_path()}: ${record.get_args()}\n`);
  }

  #create(height) {
    const block = ldk.BestBlock.constructor_new(createHash("sha256").update(`block ${height}`).digest(), height);
    return ldk.ChannelManager.constructor_new(
      this.feeEstimator, this.chain.as_Watch(), this.broadcaster, this.router.as_Router(),
      this.messageRouter.as_MessageRouter(), this.logger, this.keys.as_EntropySource(), this.keys.as_NodeSigner(),
      this.keys.as_SignerProvider(), config(),
      ldk.ChainParameters.constructor_new(ldk.Network.LDKNetwork_Regtest, block), Math.floor(Date.now() / 1000),
    );
  }

  #load(octets) {
    const entropy = this.keys.as_EntropySource();
    const signers = this.keys.as_SignerProvider();
    const readMonitor = ldk.UtilMethods.constructor_C2Tuple_ThirtyTwoBytesChannelMonitorZ_read;
    const readManager = ldk.UtilMethods.constructor_C2Tuple_ThirtyTwoBytesChannelManagerZ_read;
    const monitors = [...this.monitors.values()].map((written) =>
      must(readMonitor(written, entropy, signers), "monitor").get_b(),
    );
    const read = readManager(
      octets, entropy, this.keys.as_NodeSigner(), signers, this.feeEstimator, this.chain.as_Watch(),
      this.broadcaster, this.router.as_Router(), this.messageRouter.as_MessageRouter(), this.logger, config(), monitors,
    );
    const manager = must(read, "manager").get_b();
    for (const monitor of monitors) {
      must(this.chain.as_Watch().watch_channel(monitor.get_funding_txo().get_a(), monitor), "watch");
    }
    return manager;
  }

  /** Everything that makes this node, to be cloned at once. */
  save() {
    return { seed: this.seed, monitors: [...this.monitors], manager: this.manager.write() };
  }

  /** Tell it that there is a block of this height. */
  block(height) {
    this.chain.as_Confirm().best_block_updated(header(height), height);
    this.manager.as_Confirm().best_block_updated(header(height), height);
  }

  /** Tell it the time, which LDK takes from blocks: the last one again, found now. */
  clock(height) {
    this.manager.as_Confirm().best_block_updated(header(height), height);
  }

  /** The events since the last call. */
  drain() {
    this.manager.process_pending_htlc_forwards();
    this.manager.as_EventsProvider().process_pending_events(this.handler);
    return this.events.splice(0);
  }

  get channel() {
    return this.manager.list_channels()[0];
  }

  /** An invoice for a hash, or for one of LDK's own. Amounts in thousandths of a sat, times in seconds. */
  invoice(msat, memo, expiry, cltv, hash) {
    const amount = msat === 0n ? ldk.Option_u64Z.constructor_none() : ldk.Option_u64Z.constructor_some(msat);
    const delta = ldk.Option_u16Z.constructor_some(cltv);
    const withHash = ldk.UtilMethods.constructor_create_invoice_from_channelmanager_with_payment_hash;
    const without = ldk.UtilMethods.constructor_create_invoice_from_channelmanager;
    const made = hash
      ? withHash(this.manager, amount, memo, expiry, hash, delta)
      : without(this.manager, amount, memo, expiry, delta);
    return must(made, "invoice");
  }

  /** Begin to pay, `msat` if not what the invoice says. What becomes of it are events with the returned id. */
  pay(invoice, feeLimitMsat, msat) {
    const terms = must(ldk.UtilMethods.constructor_payment_parameters_from_invoice(invoice), "terms");
    const route = terms.get_c();
    route.set_max_total_routing_fee_msat(ldk.Option_u64Z.constructor_some(feeLimitMsat));
    if (msat) route.set_final_value_msat(msat);
    const id = randomBytes(32);
    const sent = this.manager.send_payment(
      terms.get_a(), terms.get_b(), id, route, ldk.Retry.constructor_attempts(0),
    );
    return sent.is_ok() ? id.toString("hex") : null;
  }
}

/** Two nodes in one process: `merchant` and `payer`, who opened the channel. */
export class Pair {
  constructor(saved) {
    this.height = saved ? saved.height : FIRST_HEIGHT;
    this.merchant = new Node("merchant", saved?.merchant ?? null, this.height);
    this.payer = new Node("payer", saved?.payer ?? null, this.height);
    this.wire = [];
    this.sockets = 0;
    this.listener = () => {};
    this.fresh = !saved;
  }

  /** Connect both. Before it `listener` is set: (node, event) of everything that concerns payments. */
  begin() {
    for (const node of [this.merchant, this.payer]) node.block(this.height);
    this.connect();
    if (this.fresh) this.#open();
  }

  save() {
    return { height: this.height, merchant: this.merchant.save(), payer: this.payer.save() };
  }

  /** Let both talk. The first message is the payer's. */
  connect() {
    if (this.connected) return;
    this.connected = true;
    const [ours, theirs] = [this.#socket(), this.#socket()];
    [ours.far, theirs.far] = [theirs, ours];
    [ours.node, theirs.node] = [this.payer, this.merchant];
    must(this.merchant.peers.new_inbound_connection(theirs.descriptor, NONE_ADDRESS()), "inbound");
    const hello = this.payer.peers.new_outbound_connection(this.merchant.id, ours.descriptor, NONE_ADDRESS());
    this.ends = [ours, theirs];
    this.wire.push([theirs, must(hello, "outbound")]);
    this.run();
  }

  /** Cut the line between them. */
  disconnect() {
    if (!this.connected) return;
    this.connected = false;
    this.wire = [];
    for (const end of this.ends) end.node.peers.socket_disconnected(end.descriptor);
    this.run();
  }

  #socket() {
    const hash = BigInt(++this.sockets);
    const end = {};
    end.descriptor = ldk.SocketDescriptor.new_impl({
      send_data: (data) => {
        this.wire.push([end.far, Uint8Array.from(data)]);
        return data.length;
      },
      disconnect_socket: () => process.stderr.write("a node hung up\n"),
      eq: (other) => other.hash() === hash,
      hash: () => hash,
    });
    return end;
  }

  #open() {
    const pushed = PUSHED_SATS * 1000n;
    must(this.payer.manager.create_channel(this.merchant.id, CHANNEL_SATS, pushed, 1n, null, config()), "channel");
    this.run();
    if (!this.payer.channel?.get_is_usable()) throw new Error("the channel did not open");
  }

  #event(node, event) {
    const { temporary_channel_id: channel, counterparty_node_id: other } = event;
    if (event instanceof ldk.Event_OpenChannelRequest) {
      must(node.manager.accept_inbound_channel_from_trusted_peer_0conf(channel, other, 1n), "accept");
    } else if (event instanceof ldk.Event_FundingGenerationReady) {
      const transaction = fundingTransaction(event.output_script, event.channel_value_satoshis);
      must(node.manager.funding_transaction_generated(channel, other, transaction), "funding");
    } else {
      this.listener(node, event);
    }
  }

  /** Go on until neither has anything to say. */
  run() {
    for (let idle = 0; idle < 2; ) {
      let moved = false;
      for (const [end, octets] of this.wire.splice(0)) {
        moved = true;
        must(end.node.peers.read_event(end.descriptor, octets), "read");
      }
      for (const node of [this.merchant, this.payer]) {
        node.peers.process_events();
        for (const event of node.drain()) {
          moved = true;
          this.#event(node, event);
        }
      }
      idle = moved || this.wire.length ? 0 : idle + 1;
    }
  }

  /** Find so many blocks. */
  mine(blocks) {
    for (let count = 0; count < blocks; count++) {
      this.height++;
      for (const node of [this.merchant, this.payer]) node.block(this.height);
      this.run();
    }
  }
}

export { ldk };
