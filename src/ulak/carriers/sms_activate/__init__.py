"""Numbers of suppliers that speak the protocol of sms-activate, `handler_api.php`.

`settings` reads what an operator tells, `reading` what a supplier answers, and `source` asks. The protocol's
facts and where they are from stand in the README.
"""
