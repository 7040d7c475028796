"""Results into live systems: a MISP event, a TAXII 2.1 collection.

target    where a push goes: the address that the user names, and the secret that is for it
sent      what was sent where, by content, so that nothing is sent twice and a push that was stopped goes on
pushing   what is still to be sent, in batches; one that the server refuses is halved until the culprit is found
server    what both systems share: one request, and what a refusal means
misp      an event: made once, then edited
taxii     a collection: objects added, a newer version where they changed

A push writes the export to a temporary file, takes it apart into units, compares these with what was sent, and sends
the rest. A unit is recorded when the server has it, so that a push that was killed sends at most one batch again, which
both systems take without doubles.
"""
