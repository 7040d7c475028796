"""Fetching: which source is asked what, how fast and how often. Only `http` touches the network.

run           asks what the cache lacks, all sources in parallel, and keeps every reply; `summary` is the result
plan          returns what a run would ask, without asking
failures      what failed and has no answer since, and how each source stands

asking        which questions there are about an indicator     hops         which indicators the answers lead to
frontier      a run's indicators, each once, in order          degrees      how many neighbours an indicator has
shelf         which answers the cache has, and fresh ones      survey       what must be asked, source by source

service       one source: its connections, retries, waits      ledger       requests sent with each key, limits told
http          one request, one reply, fixed error phrases      windows      the windows that rates are counted in
rate_headers  what reply headers say of limits                 exclusive    a lock between threads and processes
connections   connections that can be ended
forecast      when so many requests will have been sent        private      indicators that are never sent out
"""
