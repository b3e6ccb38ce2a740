"""What runs inside Redis. A script is atomic, and needs one round trip however many keys it looks at."""

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script, and the name under which a server that has seen it keeps it."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()  # what EVALSHA goes by
        object.__setattr__(self, "sha", digest)


# KEYS: the quota, the backlog, the beginning of a receipt's key.
# ARGV: claim, its milliseconds, microseconds an event, burst, whether to count (0: all are let in), event keys (16
# bytes each), fields (4).
# Answer, in one string because a client pays for each part of an answer: how many are let in, what remains, seconds
# until all of it, seconds until one more, and a word for each that is let in, with commas between.
# What the claim holds already was paid for: a question that is asked again, its answer lost, is answered the same.
ADMIT = Script("""
local claim, interval, burst, counts = 'c' .. ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]) > 0
local asked = #ARGV[6] / 16
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local free = math.max(0, math.floor(burst - (full - now) / interval + 0.000001))
local left = counts and free or asked

local keys, fields = {}, {}
for i = 1, asked do
  keys[i] = KEYS[3] .. string.sub(ARGV[6], i * 16 - 15, i * 16)
  fields[i] = string.sub(ARGV[7], i * 4 - 3, i * 4)
end
local held, behind = {}, {}
if asked > 0 and (left > 0 or redis.call('GET', keys[1]) == claim) then held = redis.call('MGET', unpack(keys)) end
if asked > 0 and redis.call('EXISTS', KEYS[2]) == 1 then behind = redis.call('HMGET', KEYS[2], unpack(fields)) end

local words, allowed, paid = {}, 0, 0
for i = 1, asked do
  local value = held[i]
  if value ~= claim then
    if paid == left then break end
    paid = paid + 1
  end
  allowed = i
  local came = value and string.match(value, '^t(%d+)$')
  if not value or value == claim or came then
    redis.call('SET', keys[i], claim, 'PX', ARGV[2])
    words[i] = (behind[i] and 'b' or 'f') .. (came or '')
  elseif string.sub(value, 1, 1) == 'c' then
    words[i] = 'c'
  else
    words[i] = value
  end
end
if counts and paid > 0 then
  full = full + paid * interval
  free = free - paid
  redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1)
end
local reset = math.ceil((full - now) / 1000000)
local retry = math.max(0, math.ceil((full - now - (burst - 1) * interval) / 1000000))
return string.format('%d,%d,%d,%d,', allowed, free, reset, retry) .. table.concat(words, ',')
""")

# KEYS: the beginning of a receipt's key.
# ARGV: claim, event keys to keep, their receipts, their windows in seconds, event keys to let go of, and for each of
# those the microsecond in which it was received, if what became of it is unknown, else 0.
SETTLE = Script("""
local claim = 'c' .. ARGV[1]
local function held(joined)
  local keys = {}
  for i = 1, #joined / 16 do keys[i] = KEYS[1] .. string.sub(joined, i * 16 - 15, i * 16) end
  if #keys == 0 then return keys, {} end
  return keys, redis.call('MGET', unpack(keys))
end
local windows = string.gmatch(ARGV[4], '[^,]+')
local keys, values = held(ARGV[2])
local i = 0
for receipt in string.gmatch(ARGV[3], '[^,]+') do
  i = i + 1
  local window = windows()
  if not values[i] or values[i] == claim then redis.call('SET', keys[i], receipt, 'EX', window) end
end
keys, values = held(ARGV[5])
local times = string.gmatch(ARGV[6], '%d+')
for i = 1, #keys do
  local time = times()
  if values[i] == claim then
    if time == '0' then redis.call('DEL', keys[i]) else redis.call('SET', keys[i], 't' .. time, 'EX', 86400) end
  end
end
return 1
""")

# KEYS: the backlog. ARGV: the object's name, seconds until the backlog lapses, fields (4 bytes).
# A newer object's mark stays, and the answer is 0: that object will come to the log after this one.
ENTER = Script("""
local newest = 1
for i = 1, #ARGV[3] / 4 do
  local field = string.sub(ARGV[3], i * 4 - 3, i * 4)
  local marked = redis.call('HGET', KEYS[1], field)
  if marked and marked > ARGV[1] then newest = 0 else redis.call('HSET', KEYS[1], field, ARGV[1]) end
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return newest
""")

# KEYS: the backlog. ARGV: the object's name, fields (4 bytes).
LEAVE = Script("""
for i = 1, #ARGV[2] / 4 do
  local field = string.sub(ARGV[2], i * 4 - 3, i * 4)
  if redis.call('HGET', KEYS[1], field) == ARGV[1] then redis.call('HDEL', KEYS[1], field) end
end
return 1
""")

# KEYS: the snapshot. ARGV: how many versions it knows of, its value, seconds.
SNAPSHOT = Script("""
local held = redis.call('GET', KEYS[1])
if held and tonumber(string.match(held, '^%d+')) > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
""")

# KEYS: the answer. ARGV: what it begins with while it is worked on.
ABANDON = Script("""
local value = redis.call('GET', KEYS[1])
if value and string.sub(value, 1, #ARGV[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
""")
