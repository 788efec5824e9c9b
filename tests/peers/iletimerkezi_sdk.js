// Drives the vendor's Node SDK, as published, against the server at ULAK_URL, and prints what it read as JSON.
// Nothing of it is changed but its base address, which it has no option for.
"use strict";

const { IletiMerkeziClient } = require("@iletimerkezi/iletimerkezi-node");

const { ULAK_URL, ULAK_KEY, ULAK_HASH, ULAK_SENDER, ULAK_LATER, ULAK_DAYS } = process.env;

function clientWith(hash) {
  const client = new IletiMerkeziClient(ULAK_KEY, hash, ULAK_SENDER);
  client.httpClient.baseUrl = `${ULAK_URL}/v1/`;
  return client;
}

const [FIRST_DAY, LAST_DAY] = ULAK_DAYS.split(" ");
const client = clientWith(ULAK_HASH);
const stranger = clientWith("0".repeat(64));

function sms() {
  return client.sms().disableIysConsent();
}

function failure(response) {
  return { ok: response.ok(), code: response.getErrorCode(), message: response.getMessage() };
}

async function finished(id) {
  for (let tries = 0; tries < 200; tries += 1) {
    const report = await client.reports().get(id);
    if (report.getOrderStatus() !== "SENDING") return report;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`order ${id} does not end`);
}

async function main() {
  const seen = {};
  seen.balance = (await client.account().balance()).toJSON();
  seen.senders = (await client.senders().list()).getSenders();

  const one = await sms().send("5301234567", "Merhaba");
  const many = await sms().send(["+905301234568", "0530 123 90 01"], "Türkçe: ğüşıöç ĞÜŞİÖÇ");
  const each = await sms().send({ 905301234569: "Bir", 905301234570: "İki 😀" });
  // What the SDK says unless it is told otherwise: ask the consent registry.
  const withConsent = await client.sms().send("5301234572", "Kampanya");
  const later = await sms().schedule(ULAK_LATER).send("5301234571", "Yarın");
  seen.sent = [one, many, each, withConsent, later].map((response) => response.toJSON());

  seen.reports = [];
  for (const response of [one, many, each, withConsent]) {
    seen.reports.push((await finished(response.getOrderId())).toJSON());
  }
  // Some programs keep ids as numbers.
  seen.pastTheEnd = (await client.reports().get(Number(one.getOrderId()), 2)).toJSON();

  const list = await client.summary().list(FIRST_DAY, LAST_DAY);
  seen.list = {
    count: list.getCount(),
    more: list.hasMorePages(),
    orders: list.getOrders().map((order) => [
      order.getId(), order.getStatus(), order.getTotal(), order.getDelivered(), order.getUndelivered(),
      order.getWaiting(), order.getSender(),
    ]),
  };
  seen.pastTheList = (await client.summary().list(FIRST_DAY, LAST_DAY, 2)).getOrders().length;

  const blacklist = client.blacklist();
  seen.blacklist = [await blacklist.add("0530 123 45 99"), await blacklist.add(["+905301234598", "+905301234597"])]
    .map((response) => response.ok());
  const blocked = await blacklist.list();
  seen.blocked = [blocked.getCount(), blocked.hasMorePages(), blocked.getNumbers()];
  const today = await blacklist.list(1, { start: `${FIRST_DAY} 00:00:00`, end: `${LAST_DAY} 23:59:59` });
  seen.blockedToday = [today.getCount(), (await blacklist.next()).getNumbers()];
  seen.lifted = (await blacklist.remove(["5301234599"])).ok();
  seen.stillBlocked = (await blacklist.list()).getNumbers();

  seen.failures = {
    blockedDays: failure(await blacklist.list(1, { start: "01/01/2026" })),
    lifted: failure(await blacklist.remove("5301234599")),
    blockedNumber: failure(await blacklist.add("9991234567")),
    stranger: failure(await stranger.account().balance()),
    strangerSends: failure(await stranger.sms().send("5301234567", "Merhaba")),
    consentList: failure(await client.sms().setIysList("X").send("5301234567", "Kampanya")),
    repeated: failure(await sms().send("5301234567", "Merhaba")),
    sender: failure(await sms().send("5301234567", "Merhaba!", "BASKA")),
    number: failure(await sms().send("123", "Merhaba!")),
    empty: failure(await sms().send("5301234567", "")),
    readmeDate: failure(await sms().schedule("2030-01-01 10:00:00").send("5301234567", "Merhaba!")),
    notDue: failure(await client.reports().get(later.getOrderId())),
    missing: failure(await client.reports().get("1")),
    days: failure(await client.summary().list("01/01/2026", "02/01/2026")),
  };
  console.log(JSON.stringify(seen));
}

main().catch((error) => {
  console.error(error.stack || String(error));
  process.exit(1);
});
