"""An sms4sats account, or another Ulak, as a carrier: of rented numbers (`source`) or of messages (`link`).

Everything that is bought is paid from the account's prepaid balance (`immediate`). Invoices of the server are
never paid here.
"""

from ulak.dialects.sms4sats.connect.line import probe
from ulak.dialects.sms4sats.connect.link import Sms4satsLink
from ulak.dialects.sms4sats.connect.settings import check_settings
from ulak.dialects.sms4sats.connect.source import Sms4satsSource

__all__ = ["Sms4satsLink", "Sms4satsSource", "check_settings", "probe"]
