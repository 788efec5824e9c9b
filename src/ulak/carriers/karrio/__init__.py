"""Parcel carriers through Karrio, an optional library with the protocols of some thirty of them.

The library never runs in the server: `child` runs it in a process of its own and `worker` looks after that
process. Of what comes back only the carrier's raw answers are trusted; `states` and `times` read them anew.
"""
