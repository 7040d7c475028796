"""The scripts of `redis_ledger`, in Lua: each is one step that nothing comes between.

A script's last key is the salt's, and its first argument the salt that the process has seen: another one tells that the
server lost its data. Moments and lengths are milliseconds.
"""

from __future__ import annotations

from typing import Final

from intel_grapher.fetch.account import LONGEST_HOLD
from intel_grapher.fetch.rate_headers import FARTHEST
from intel_grapher.fetch.windows import MOST_MARGIN

KEPT: Final = 62 * 24 * 3600
"""Seconds that an account without any request is kept: longer than the longest window, a month."""
LOST: Final = "LOST"
UNDER_WAY: Final = 60_000
LATE: Final = 50
"""Milliseconds between two looks at whether a request that is under way is settled."""

_KNOWN: Final = f"if redis.call('GET', KEYS[#KEYS]) ~= ARGV[1] then return redis.error_reply('{LOST}') end\n"
_BEGIN: Final = f"""
{_KNOWN}
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function number(name) return tonumber(redis.call('HGET', KEYS[1], name) or '0') end
-- No hold or quota is longer than these: the clock may have been ahead when it was written.
local held = math.min(number('hold_until'), now + {LONGEST_HOLD * 1000:.0f})
local reset = math.min(number('reset'), now + {FARTHEST * 1000:.0f})
local left = number('remaining')
local function keep() for at = 1, 3 do redis.call('EXPIRE', KEYS[at], {KEPT}) end end
local function hold(milliseconds, reason)
  local till = now + math.min(milliseconds, {LONGEST_HOLD * 1000:.0f})
  if till > held then redis.call('HSET', KEYS[1], 'hold_until', till, 'hold_reason', reason) keep() end
end
-- The start of a window: of the last so many milliseconds, or of a calendar's, which may have ended since it was asked.
local function start(since, till)
  if since < 0 then return now + since end
  if now >= till then return till - {MOST_MARGIN * 1000:.0f} end
  return since
end
"""
# A request that is under way may get there now, however long ago it was taken: it counts in every window until it is
# settled, or for UNDER_WAY milliseconds where its process was killed.
# Each rate is three arguments, from the third on: how many, minus its length or the calendar's start, the end.
_TAKE: Final = f"""
local UNDER_WAY, LATE = {UNDER_WAY}, {LATE}
local before = redis.call('ZSCORE', KEYS[2], ARGV[2])
if before then return {{1, tonumber(before), now, number('refusals')}} end
local wait = held - now
if left <= 0 then wait = math.max(wait, reset - now) end
if wait > 0 then return {{0, wait, now, 0}} end
local oldest = now
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - UNDER_WAY)
for at = 3, #ARGV, 3 do
  local most, since, till = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local from = start(since, till)
  oldest = math.min(oldest, from)
  local sent = redis.call('ZCOUNT', KEYS[2], from, '+inf')
  local late = redis.call('ZCOUNT', KEYS[3], '-inf', '(' .. from)
  if sent < most and sent + late >= most then
    wait = math.max(wait, LATE)
  elseif sent >= most and since >= 0 then
    wait = math.max(wait, till - now, 1)
  elseif sent >= most then
    local first = redis.call('ZRANGEBYSCORE', KEYS[2], from, '+inf', 'WITHSCORES', 'LIMIT', sent - most, 1)
    wait = math.max(wait, math.min(tonumber(first[2]), now) - now + 1 - since, 1)
  end
end
if wait > 0 then return {{0, wait, now, 0}} end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. oldest)
redis.call('ZADD', KEYS[2], now, ARGV[2])
redis.call('ZADD', KEYS[3], now, ARGV[2])
if reset > now then redis.call('HINCRBY', KEYS[1], 'remaining', -1) end
keep()
return {{1, now, now, number('refusals')}}
"""
_SETTLE: Final = """
redis.call('ZREM', KEYS[3], ARGV[2])
local at = redis.call('ZSCORE', KEYS[2], ARGV[2])
local latest = now - ARGV[3]
if at and latest > tonumber(at) then redis.call('ZADD', KEYS[2], 'XX', latest, ARGV[2]) end
"""
_GIVE_BACK: Final = "redis.call('ZREM', KEYS[2], ARGV[2]) redis.call('ZREM', KEYS[3], ARGV[2])"
_HOLD: Final = "hold(tonumber(ARGV[2]), ARGV[3])"
_REFUSED: Final = """
local wait = tonumber(ARGV[math.min(number('refusals') + 3, #ARGV)])
redis.call('HINCRBY', KEYS[1], 'refusals', 1)
hold(wait, ARGV[2])
return wait
"""
_ANSWERED: Final = "redis.call('HSET', KEYS[1], 'refusals', 0)"
_LEARN: Final = "redis.call('HSET', KEYS[1], 'remaining', ARGV[2], 'reset', now + ARGV[3]) keep()"
_STATE: Final = """
local found = {now, held, redis.call('HGET', KEYS[1], 'hold_reason') or '', number('refusals'), left, reset}
for at = 2, #ARGV, 3 do
  local from = start(tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]))
  table.insert(found, redis.call('ZCOUNT', KEYS[2], from, '+inf'))
  local first = redis.call('ZRANGEBYSCORE', KEYS[2], from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  table.insert(found, tonumber(first[2] or now))
end
return found
"""
# Requests of a time when the clock was ahead would count until it gets there.
_OPEN: Final = """
for _, token in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. now, '+inf')) do
  redis.call('ZADD', KEYS[2], now, token)
end
return {now}
"""

_CLAIM: Final = """
if redis.call('SET', KEYS[1], ARGV[2], 'NX', 'PX', ARGV[3]) then return ARGV[2] end
return redis.call('GET', KEYS[1])
"""
_RENEW: Final = "if redis.call('GET', KEYS[1]) == ARGV[2] then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end"
_END: Final = """
local holder = redis.call('GET', KEYS[1])
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[4])
elseif holder == ARGV[2] then
  redis.call('DEL', KEYS[1])
end
"""
SCRIPTS: Final = {
    "take": _BEGIN + _TAKE,
    "settle": _BEGIN + _SETTLE,
    "give_back": _BEGIN + _GIVE_BACK,
    "hold": _BEGIN + _HOLD,
    "refused": _BEGIN + _REFUSED,
    "answered": _BEGIN + _ANSWERED,
    "learn": _BEGIN + _LEARN,
    "state": _BEGIN + _STATE,
    "open": _BEGIN + _OPEN,
    "claim": _KNOWN + _CLAIM,
    "renew": _KNOWN + _RENEW,
    "end": _KNOWN + _END,
}
