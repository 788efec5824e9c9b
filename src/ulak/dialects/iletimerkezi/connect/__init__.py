"""An account at iletiMerkezi, or at another Ulak: a carrier of messages, and a past to be imported."""

from ulak.dialects.iletimerkezi.connect.line import probe
from ulak.dialects.iletimerkezi.connect.link import IletimerkeziLink
from ulak.dialects.iletimerkezi.connect.reading import read_news
from ulak.dialects.iletimerkezi.connect.settings import check_settings

__all__ = ["IletimerkeziLink", "check_settings", "probe", "read_news"]
