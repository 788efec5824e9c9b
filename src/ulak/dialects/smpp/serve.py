"""The simulator: an SMSC without a store, for the sandbox, for `ulak smsc` and for tests.

Everybody may bind. What becomes of a message is decided by the last four digits of its destination, in the
table `MAGIC`; any other number is delivered. Receipts go to a receiving session of the same system_id, and
wait for one if there is none.
"""

from __future__ import annotations

import asyncio
import hmac
import ssl
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ulak.dialects.smpp import codes
from ulak.dialects.smpp.listen import Listener, Peer
from ulak.dialects.smpp.mobile import UDH8, bodies
from ulak.dialects.smpp.reading import Reading, read_message
from ulak.dialects.smpp.session import Answer, BindAsked, Incoming
from ulak.dialects.smpp.wire import ShortMessage, encode_tlv
from ulak.service.guard import Guard
from ulak.service.limits import Penalty

DELAY = 0.2
DELAY_SLOW = 30.0
DELAY_EARLY = 0.1  # how long the answer to a submit comes after its receipt, where that is asked for
REFUSED_TRIES = 2
_REPEAT_FIRST, _REPEAT_MAX = 1.0, 60.0
_DELIVER_WINDOW = 1000
_REFUSALS_KEPT = 10_000
PEERS_MAX = 128
PLANNED_MAX = 10_000
"""Receipts whose time has not come. When there are so many, a system_id that has more than its share of them
is turned away (ESME_RMSGQFUL), so that nobody is who sends little."""
LOGGED_MAX = 2 * 1024 * 1024
"""Bytes of optional parameters in the log: the oldest entries go before there are more."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to a message. `what` says it to people; the README's table has the same words."""

    what: str
    stat: str = "DELIVRD"
    receipts: int = 1
    delay: float | None = None  # seconds until the receipt; None: the simulator's own
    refusal: int = codes.ESME_ROK
    tries: int = 0  # so many tries get the refusal; 0: all
    early: bool = False
    answered: bool = True


DELIVERED = Fate("delivered")

MAGIC = {
    b"9001": Fate("undelivered", stat="UNDELIV"),
    b"9002": Fate("expired", stat="EXPIRED"),
    b"9003": Fate("rejected at submit (ESME_RINVDSTADR)", refusal=codes.ESME_RINVDSTADR),
    b"9004": Fate("accepted, no receipt ever", receipts=0),
    b"9005": Fate("delivered, the receipt after 30 s", delay=DELAY_SLOW),
    b"9006": Fate("delivered, the receipt twice", receipts=2),
    b"9007": Fate("delivered, the receipt before the answer to the submit", early=True),
    b"9008": Fate("throttled twice (ESME_RTHROTTLED), then delivered", refusal=0x58, tries=REFUSED_TRIES),
    b"9009": Fate("queue full twice (ESME_RMSGQFUL), then delivered", refusal=0x14, tries=REFUSED_TRIES),
    b"9010": Fate("the submit is not answered the first time, then delivered", answered=False, tries=1),
    b"9011": Fate("rejected by the network (REJECTD)", stat="REJECTD"),
    b"9012": Fate("system error once (ESME_RSYSERR), then delivered", refusal=codes.ESME_RSYSERR, tries=1),
}

SPELLINGS: dict[str, Callable[[int], bytes]] = {
    "decimal": lambda number: b"%010d" % number,
    "hex": lambda number: b"%x" % number,
    "HEX": lambda number: b"%08X" % number,
    "text": lambda number: b"Sim-%x" % number,
}

_STATE_OF = {word: number for number, (word, _) in codes.MESSAGE_STATES.items()}


class Receipt(NamedTuple):
    """The body of a deliver_sm, and how often it was turned away."""

    body: bytes
    refusals: int = 0


class Submit(NamedTuple):
    """One accepted submit_sm in the simulator's log."""

    system_id: str
    reference: str
    message: ShortMessage

    @property
    def destination(self) -> str:
        """The number as it came."""
        return self.message.destination.decode("latin-1")

    @property
    def sender(self) -> str:
        """The sender as it came."""
        return self.message.source.decode("latin-1")

    def read(self) -> Reading:
        """Its text, header and chain."""
        return read_message(self.message)


class Simulator:
    """See the module. `log` holds the last accepted submits, `counts` what happened, by name: binds, submits,
    refused, ignored, receipts, acknowledged, turned_away."""

    def __init__(
        self,
        *,
        password: str | None = None,
        delay: float = DELAY,
        time_scale: float = 1.0,
        ids: str = "decimal",
        receipt_ids: str | None = None,
        receipt_form: str = "both",
        first_id: int | None = None,
        log_size: int = 1000,
        keep: int = 20_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`password`: None takes any; wrong ones are slowed. `delay`: seconds to an ordinary receipt;
        `time_scale` multiplies this and every other delay. `ids`, `receipt_ids`: how message ids are spelled
        in answers and in receipts, a key of SPELLINGS. `receipt_form`: `text`, `tlv` or `both`. `keep`:
        receipts that wait for a session of theirs, at most, over all system_ids; and those that a session may
        be behind with before its submits are turned away.
        """
        self.log: deque[Submit] = deque(maxlen=log_size)
        self.counts: Counter[str] = Counter()
        self.port = 0
        self._password = password
        # A password has at most eight characters: too few to look at one while somebody guesses.
        penalty = None if password is None else Penalty()
        self._guard = Guard(penalty, lambda: int(clock() * 1000), spare=0)
        self._delay = delay
        self._scale = time_scale
        self._spell = SPELLINGS[ids]
        self._spell_receipt = SPELLINGS[receipt_ids or ids]
        self._with_text = receipt_form in ("both", "text")
        self._with_tlv = receipt_form in ("both", "tlv")
        self._clock = clock
        # Not from 1: a simulator that was started again should not give the names of its former life.
        self._last_id = first_id - 1 if first_id is not None else int(clock() * 10) % 10**10
        self._keep = keep
        self._texts = 0
        self._refusals: Counter[tuple[bytes, bytes]] = Counter()
        self._logged: deque[int] = deque(maxlen=log_size)
        self._logged_bytes = 0
        self._receivers: dict[str, list[Peer[Receipt]]] = {}
        self._waiting: dict[str, deque[Receipt]] = {}
        self._alone = 0  # of these, those of system_ids without a receiving session
        self._later = _Later(self._due)
        self._minute: tuple[int, bytes] = (-1, b"")
        self._listener: Listener[Receipt] = Listener(self, name="ULAK-SIM", peers_max=PEERS_MAX)

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen. Raises OSError."""
        await self._listener.open(host, port, tls)
        self.port = self._listener.port

    async def close(self) -> None:
        """Close everything; receipts that wait are forgotten."""
        self._later.close()
        await self._listener.close()

    @property
    def sessions(self) -> list[str]:
        """The system_id of every session that is bound."""
        return [peer.system_id for peer in self._listener.peers if peer.session.bound]

    def drop(self, count: int | None = None) -> None:
        """Cut every connection, or the `count` oldest, as a network does; the port stays open."""
        for peer in self._listener.peers[:count]:
            peer.line.abort()

    def send_in(
        self,
        sender: str,
        number: int,
        text: str,
        *,
        system_id: str | None = None,
        form: str = UDH8,
        reference: int | None = None,
    ) -> int:
        """Somebody sends a text to a number of whoever is bound as `system_id` (None: the first that
        receives); how many parts it has. It is delivered like a receipt: again until it is accepted.

        `form` is how a text of several parts goes (`mobile.FORMS`), `reference` what those have in common.
        """
        if system_id is None:
            system_id = next((known for known, peers in self._receivers.items() if peers), "")
        self._texts += 1
        parts = bodies(sender, number, text, self._texts if reference is None else reference, form)
        self._due(system_id, [Receipt(body) for body in parts])
        return len(parts)

    # The handler of the listener

    def may_bind(self, peer: Peer[Receipt], asked: BindAsked) -> int:
        """Everybody, or who knows the password. Whoever guesses is told for a while that it fails."""
        if self._password is None:
            return codes.ESME_ROK
        name, password = asked.bind.system_id, asked.bind.password
        attempt = self._guard.attempt(peer.line.address, password, name=name)
        if self._guard.wait(attempt):
            return codes.ESME_RBINDFAIL
        if hmac.compare_digest(password.encode(), self._password.encode()):
            self._guard.right(attempt)
            return codes.ESME_ROK
        return codes.ESME_RBINDFAIL if self._guard.wrong_here(attempt) else codes.ESME_RINVPASWD

    def bound(self, peer: Peer[Receipt]) -> None:
        """A session of its own for receipts, if it may have them."""
        self.counts["binds"] += 1
        if peer.receives:
            if peer.system_id not in self._receivers:
                self._alone -= len(self._waiting.get(peer.system_id, ()))
            self._receivers.setdefault(peer.system_id, []).append(peer)
            self._send(peer.system_id)

    def gone(self, peer: Peer[Receipt], unanswered: list[Receipt]) -> None:
        """What was not acknowledged is sent again to the next session, before everything newer."""
        system_id = peer.system_id
        receivers = self._receivers.get(system_id, [])
        if peer in receivers:
            receivers.remove(peer)
            self._waiting.setdefault(system_id, deque()).extendleft(reversed(unanswered))
            if not receivers:
                del self._receivers[system_id]
                self._alone += len(self._waiting[system_id])
            self._send(system_id)

    def submitted(self, peer: Peer[Receipt], batch: Sequence[Incoming]) -> None:
        """Answer each message by its destination, and plan its receipt."""
        if self._is_full(peer.system_id):
            self.counts["refused"] += len(batch)
            for incoming in batch:
                peer.session.answer(incoming.sequence, codes.ESME_RMSGQFUL)
            return
        ordinary: list[Receipt] = []
        for incoming in batch:
            message = incoming.message
            fate = MAGIC.get(message.destination[-4:])
            if fate is not None:
                self._magic(peer, incoming, fate)
                continue
            number = self._accept(peer, message)
            peer.session.answer(incoming.sequence, codes.ESME_ROK, self._spell(number))
            if message.options[0] & 1:
                ordinary.append(self._receipt(message, number, DELIVERED))
        if ordinary:
            self._later.add(self._delay * self._scale, peer.system_id, ordinary)

    def acknowledged(self, peer: Peer[Receipt], batch: Sequence[Answer[Receipt]]) -> None:
        """A receipt that was turned away comes again after a while, 1 s at first and a minute at last."""
        for receipt, status, _ in batch:
            if status == codes.ESME_ROK:
                self.counts["acknowledged"] += 1
                continue
            self.counts["turned_away"] += 1
            wait = min(_REPEAT_MAX, _REPEAT_FIRST * 2.0**receipt.refusals) * self._scale
            again = receipt._replace(refusals=min(receipt.refusals + 1, 10))
            self._later.add(wait, peer.system_id, [again])
        self._send(peer.system_id)

    # Messages

    def _accept(self, peer: Peer[Receipt], message: ShortMessage) -> int:
        number = self._last_id = self._last_id + 1
        self.counts["submits"] += 1
        if self.log.maxlen:
            self._note(Submit(peer.system_id, self._spell(number).decode(), message))
        return number

    def _note(self, submit: Submit) -> None:
        tlvs = submit.message.tlvs
        size = sum(map(len, tlvs.values())) if tlvs else 0
        if len(self.log) == self.log.maxlen:
            self._logged_bytes -= self._logged[0]
        self.log.append(submit)
        self._logged.append(size)
        self._logged_bytes += size
        while self._logged_bytes > LOGGED_MAX:
            self.log.popleft()
            self._logged_bytes -= self._logged.popleft()

    def _is_full(self, system_id: str) -> bool:
        """Whether there are as many receipts to come as we keep: nobody who sends shall fill our memory."""
        behind = system_id in self._receivers and len(self._waiting.get(system_id, ())) >= self._keep
        return behind or self._later.is_full(system_id)

    def _magic(self, peer: Peer[Receipt], incoming: Incoming, fate: Fate) -> None:
        message, session = incoming.message, peer.session
        if (fate.refusal or not fate.answered) and self._refuses(message, fate):
            self.counts["refused" if fate.answered else "ignored"] += 1
            if fate.answered:
                session.answer(incoming.sequence, fate.refusal)
            return
        number = self._accept(peer, message)
        reference = self._spell(number)
        receipts: list[Receipt] = []
        if message.registered_delivery & 1:
            receipts = [self._receipt(message, number, fate)] * fate.receipts
        if fate.early:
            self._due(peer.system_id, receipts)
            wait = DELAY_EARLY * self._scale
            asyncio.get_running_loop().call_later(wait, _answer_late, peer, incoming.sequence, reference)
            return
        session.answer(incoming.sequence, codes.ESME_ROK, reference)
        delay = self._delay if fate.delay is None else fate.delay
        self._later.add(delay * self._scale, peer.system_id, receipts)

    def _refuses(self, message: ShortMessage, fate: Fate) -> bool:
        if not fate.tries:
            return True
        key = (message.destination, message.text)
        if self._refusals[key] >= fate.tries:
            del self._refusals[key]
            return False
        if len(self._refusals) >= _REFUSALS_KEPT:
            self._refusals.clear()
        self._refusals[key] += 1
        return True

    # Receipts

    def _receipt(self, message: ShortMessage, number: int, fate: Fate) -> Receipt:
        """A receipt as SMPP 3.4 Appendix B and §5.3.2 write it: the addresses change places."""
        reference = self._spell_receipt(number)
        text, tlvs = b"", b""
        if self._with_text:
            delivered = fate.stat == "DELIVRD"
            when = self._now()
            text = b"id:%b sub:001 dlvrd:%b submit date:%b done date:%b stat:%b err:%b text:" % (
                reference,
                b"001" if delivered else b"000",
                when,
                when,
                fate.stat.encode(),
                b"000" if delivered else b"027",
            )
        if self._with_tlv:
            tlvs = encode_tlv(codes.TLV_RECEIPTED_MESSAGE_ID, reference + b"\0")
            tlvs += encode_tlv(codes.TLV_MESSAGE_STATE, bytes((_STATE_OF[fate.stat],)))
        body = b"\0%b%b\0%b%b\0%b%c%b%b" % (
            message.destination_kind,
            message.destination,
            message.source_kind,
            message.source,
            _RECEIPT_FIELDS,
            len(text),
            text,
            tlvs,
        )
        return Receipt(body)

    def _now(self) -> bytes:
        minute = int(self._clock()) // 60
        if minute != self._minute[0]:
            self._minute = (minute, time.strftime("%y%m%d%H%M", time.gmtime(minute * 60)).encode())
        return self._minute[1]

    def _due(self, system_id: str, receipts: list[Receipt]) -> None:
        self._waiting.setdefault(system_id, deque()).extend(receipts)
        if system_id not in self._receivers:
            self._alone += len(receipts)
        self._send(system_id)

    def _send(self, system_id: str) -> None:
        """Send what waits, as far as the windows of the receiving sessions go. Of what waits for nobody the
        oldest is forgotten when it is too much."""
        queue = self._waiting.get(system_id)
        if queue is None:
            return
        self._hand_over(system_id, queue)
        if not queue:
            del self._waiting[system_id]
        while self._alone > self._keep:
            self._forget_one()

    def _forget_one(self) -> None:
        system_id = next(known for known in self._waiting if known not in self._receivers)
        self._waiting[system_id].popleft()
        self._alone -= 1
        if not self._waiting[system_id]:
            del self._waiting[system_id]

    def _hand_over(self, system_id: str, queue: deque[Receipt]) -> None:
        for peer in self._receivers.get(system_id, ()):
            session = peer.session
            if not peer.receives:
                continue
            room = min(len(queue), _DELIVER_WINDOW - session.outstanding)
            for _ in range(room):
                receipt = queue.popleft()
                session.ask(codes.DELIVER_SM, receipt.body, receipt, 0.0)
            self.counts["receipts"] += max(0, room)
            peer.line.flush()


# esm_class "receipt", then protocol_id to sm_default_msg_id: nothing said.
_RECEIPT_FIELDS = bytes((codes.ESM_RECEIPT, 0, 0)) + b"\0\0" + bytes(4)


def _answer_late(peer: Peer[Receipt], sequence: int, reference: bytes) -> None:
    peer.session.answer(sequence, codes.ESME_ROK, reference)
    peer.line.flush()


class _Later:
    """Receipts by the time they are due. There are few different delays, and within one of them the order of
    coming is the order of going: a queue per delay, and one timer for all."""

    def __init__(self, due: Callable[[str, list[Receipt]], None]) -> None:
        self._due = due
        self._queues: dict[float, deque[tuple[float, str, list[Receipt]]]] = {}
        self._planned: Counter[str] = Counter()
        self._count = 0
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0

    def is_full(self, system_id: str) -> bool:
        """Whether there is too much, and more than its share is for this one."""
        return self._count >= PLANNED_MAX and self._planned[system_id] * len(self._planned) >= PLANNED_MAX

    def add(self, delay: float, system_id: str, receipts: list[Receipt]) -> None:
        """Let `receipts` be due in `delay` seconds."""
        if not receipts:
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + delay
        self._queues.setdefault(delay, deque()).append((at, system_id, receipts))
        self._count += len(receipts)
        self._planned[system_id] += len(receipts)
        if self._timer is None or at < self._timer_at:
            self._set(at)

    def _set(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(at, self._run)
        self._timer_at = at

    def _run(self) -> None:
        self._timer = None
        # Together with what is due in the next moment: fewer timers and bigger writes.
        now = asyncio.get_running_loop().time() + 0.002
        for queue in self._queues.values():
            while queue and queue[0][0] <= now:
                _, system_id, receipts = queue.popleft()
                self._count -= len(receipts)
                self._planned[system_id] -= len(receipts)
                if not self._planned[system_id]:
                    del self._planned[system_id]
                self._due(system_id, receipts)
        self._queues = {delay: queue for delay, queue in self._queues.items() if queue}
        if self._queues:
            self._set(min(queue[0][0] for queue in self._queues.values()))

    def close(self) -> None:
        """Forget everything."""
        self._queues.clear()
        if self._timer is not None:
            self._timer.cancel()


async def start_simulator(
    host: str = "127.0.0.1", port: int = 0, *, tls: ssl.SSLContext | None = None, **options: Any
) -> Simulator:
    """A simulator that listens; port 0 takes a free one. `options` are `Simulator`'s. Raises OSError."""
    simulator = Simulator(**options)
    await simulator.open(host, port, tls)
    return simulator
