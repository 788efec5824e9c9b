"""An SMSC around the PyPI package smpp34, with the lines on standard output that smsc_node.js writes too.

The texts are decoded with gsmcodecs: no code of ours takes part. Ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from typing import Any

import gsmcodecs  # noqa: F401  registers its codecs
import smpp34

PAYLOAD, RECEIPTED_ID, STATE = 0x0424, 0x001E, 0x0427  # optional parameters


def tell(what: dict[str, Any]) -> None:
    """One line."""
    print(json.dumps(what), flush=True)


def split_header(octets: bytes) -> tuple[list[bytes], bytes]:
    """The elements of a user data header, identifier and length included, and what follows it."""
    end = 1 + octets[0]
    elements, at = [], 1
    while at < end:
        size = 2 + octets[at + 1]
        elements.append(octets[at : at + size])
        at += size
    return elements, octets[end:]


def read(event: Any) -> dict[str, Any]:
    """What a telephone would show of one submit_sm."""
    octets: bytes = event.short_message
    elements: list[bytes] = []
    for tlv in event.tlvs:
        if tlv.tag == PAYLOAD:
            octets = tlv.value
    if event.esm_class & 0x40:
        elements, octets = split_header(octets)
    if event.data_coding == 8:
        text = octets.decode("utf-16-be")
    else:
        turkish = b"\x24\x01\x01" in elements
        text = octets.decode("gsm23.038-0-1" if turkish else "gsm23.038-0-0")
    return {
        "source": event.source_addr,
        "destination": event.destination_addr,
        "data_coding": event.data_coding,
        "esm_class": event.esm_class,
        "text": text,
        "udh": [element.hex() for element in elements],
    }


async def send_receipt(esme: Any, event: Any, id: str) -> None:
    """Send a receipt for one message and tell what became of it."""
    fields = "sub:001 dlvrd:001 submit date:2611220000 done date:2611220001 stat:DELIVRD err:000 text:"
    answer = await esme.deliver_sm(
        event.source_addr,
        f"id:{id} {fields}".encode(),
        source_addr=event.destination_addr,
        esm_class=4,
        tlvs=[
            smpp34.Tlv(RECEIPTED_ID, id.encode() + b"\0"),
            smpp34.Tlv(STATE, b"\2"),
        ],
    )
    tell({"acknowledged" if answer.is_success else "refused": id})


async def serve(first: int) -> None:
    """Serve until somebody ends the process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = smpp34.Server(host="127.0.0.1", port=port, system_id="SMPP34")
    await server.start()
    tell({"port": port})
    sessions: dict[str, Any] = {}
    receipts = set()
    number = first
    while True:
        event = await server.next()
        if isinstance(event, smpp34.SubmitSmEvent):
            id = f"{number:x}"
            number += 1
            tell({"submit": {"id": id} | read(event)})
            event.accept(message_id=id)
            if event.registered_delivery & 1:
                task = asyncio.create_task(send_receipt(sessions[event.session_id], event, id))
                receipts.add(task)
                task.add_done_callback(receipts.discard)
        elif isinstance(event, smpp34.Esme):
            sessions[event.session_id] = event


async def main() -> None:
    """Serve until standard input ends."""
    serving = asyncio.create_task(serve(int(sys.argv[1])))
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await asyncio.wait([serving, ended], return_when=asyncio.FIRST_COMPLETED)


if __name__ == "__main__":
    asyncio.run(main())
