"""`ulak contact`: address books of accounts. They change theirs themselves; fields only the operator adds.

A contact is shown as {"id", "name", "surname", "email", "gsm", "fields": {name: value}, "groups": [names]}.
"""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import App, Parameter

from ulak.cli.common import DEFAULTS, Common
from ulak.cli.errors import UsageError
from ulak.core.contacts import KEY_MIN, Contact, Search, search_for
from ulak.core.phone import display
from ulak.service import contacts
from ulak.service.accounts import named
from ulak.store import contacts as store
from ulak.store.engine import Tx

ROWS_MAX = 1_000
PAGE_MAX = 1_000_000

app = App(name="contact", help="Contacts of accounts.")
field = App(name="field", help="Fields that contacts of an account have beside the usual ones.")
app.command(field)


@field.command
def add(account: str, name: str, /, *, common: Common = DEFAULTS) -> None:
    """Add a field to the contacts of an account; shows {"id", "name"}. Clients call it by the id."""
    field_id = common.write(lambda tx: contacts.add_field(tx, account, name))
    common.show({"id": field_id, "name": name})


@field.command(name="list")
def list_fields(account: str, /, *, common: Common = DEFAULTS) -> None:
    """List the fields of an account: an array of {"id", "name"}."""
    found = common.read(lambda tx: store.fields(tx, named(tx, account).id))
    common.show([{"id": field_id, "name": name} for field_id, name in found.items()])


@app.command(name="list")
def list_contacts(
    account: str,
    /,
    *,
    search: Annotated[str | None, Parameter(help="part of a name, number or e-mail address")] = None,
    page: Annotated[int, Parameter(help=f"{ROWS_MAX} contacts are on one")] = 1,
    common: Common = DEFAULTS,
) -> None:
    """List the contacts of an account, the oldest first: an array of contacts."""
    if not 1 <= page <= PAGE_MAX:
        raise UsageError(f"a page is 1 to {PAGE_MAX}")
    wanted = None
    if search is not None:
        wanted = search_for(search)
        if wanted is None:
            raise UsageError(f"--search wants at least {KEY_MIN} characters")
    common.show(common.read(lambda tx: _page(tx, account, wanted, page)))


def _page(tx: Tx, account: str, wanted: Search | None, page: int) -> list[dict[str, Any]]:
    account_id = named(tx, account).id
    names = {group.id: group.name for group in store.groups(tx, account_id)}
    titles = store.fields(tx, account_id)
    found = store.search(tx, account_id, wanted, (page - 1) * ROWS_MAX, ROWS_MAX)
    return [_shown(contact, names, titles) for contact in found]


def _shown(contact: Contact, names: dict[int, str], titles: dict[int, str]) -> dict[str, Any]:
    return {
        "id": contact.id,
        "name": contact.name,
        "surname": contact.surname,
        "email": contact.email,
        "gsm": display(contact.number) if contact.number else "",
        "fields": {titles[field_id]: value for field_id, value in contact.values.items()},
        "groups": [names[group_id] for group_id in contact.groups],
    }
