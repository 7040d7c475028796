"""Fetching: whom to ask what, how fast, how often; `http` alone touches the network.

run         asks what is missing, all sources side by side, and keeps every reply; `summary` is what it did
plan        tells the same without asking
failures    what failed and has no answer since, and how each source stands

asking      which questions there are about an indicator           hops        which indicators the answers lead to
frontier    the indicators of a run, each once, in order           degrees     how many neighbours one has
shelf       which answers are there, and fresh                     survey      what is there and what is to be asked

service     one source at work: its connections, its patience      ledger      what was sent, with which key, when
http        one request, one reply, one fixed phrase of fault      windows     how rates are counted
told        what a service says of its limits                      turns       one process at a time on the ledger
waiting     how waits grow                                         forecast    when so many will have been sent
"""
