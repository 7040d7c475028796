"""Fetching: whom to ask what, how fast, how often; `http` alone touches the network.

`run` asks what `survey` finds missing, one `service` a source, within what the `ledger` leaves of its limits; `plan`
tells the same without asking; `hops` follows what the answers lead to.
"""
