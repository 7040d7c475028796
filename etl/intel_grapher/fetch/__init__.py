"""Fetching: which source is asked what, how fast and how often. Only `http` touches the network.

run             asks what the cache lacks, all sources in parallel, and keeps every reply
plan            what a run would ask, without asking
failures        the questions that failed, and how each source stands
summary         the result of a run

asking          the questions about an indicator
frontier        a run's indicators, without duplicates
cached_answers  which questions have a fresh answer in the cache
workload        how many questions must be asked, source by source
hops            the indicators that answers lead to
degrees         the number of neighbours of an indicator
private         indicators that are never sent out

service         one source: its connections, retries and waits
account         the requests sent with each API key, and what services said of limits: what a ledger promises
ledgers         opens the ledger that a setting names: sqlite_ledger on one machine, redis_ledger on several
windows         the windows of time that rates are counted in
forecast        when a number of requests will have been sent
rate_headers    what the headers of a reply say of limits
exclusive       a lock between threads and processes
http            one request, one reply, fixed phrases for what went wrong
connections     connections that another thread can end
"""
