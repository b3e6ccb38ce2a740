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
# ARGV: claim, its milliseconds, microseconds an event, burst (0: do not count), event keys (16 bytes each), fields (4).
# Answer: how many are let in, what remains, seconds until all of it, seconds until one more, a word for each let in.
ADMIT = Script("""
local claim, interval, burst = 'c' .. ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local asked = #ARGV[5] / 16
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local full = tonumber(redis.call('GET', KEYS[1]) or '0')
if full < now then full = now end
local allowed, free = asked, 0
if burst > 0 then
  free = math.floor(burst - (full - now) / interval + 0.000001)
  allowed = math.max(0, math.min(asked, free))
  full = full + allowed * interval
  free = math.max(0, free - allowed)
  if allowed > 0 then
    redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1)
  end
end
local reset = math.ceil((full - now) / 1000000)
local retry = math.max(0, math.ceil((full - now - (burst - 1) * interval) / 1000000))
if allowed == 0 then return {0, free, reset, retry, ''} end

local keys, fields = {}, {}
for i = 1, allowed do
  keys[i] = KEYS[3] .. string.sub(ARGV[5], i * 16 - 15, i * 16)
  fields[i] = string.sub(ARGV[6], i * 4 - 3, i * 4)
end
local held = redis.call('MGET', unpack(keys))
local behind = {}
if redis.call('EXISTS', KEYS[2]) == 1 then behind = redis.call('HMGET', KEYS[2], unpack(fields)) end
local words = {}
for i = 1, allowed do
  local value = held[i]
  if value and string.sub(value, 1, 1) ~= 'c' then
    words[i] = value
  elseif value and value ~= claim then
    words[i] = 'c'
  else
    redis.call('SET', keys[i], claim, 'PX', ARGV[2])
    words[i] = behind[i] and 'b' or 'f'
  end
end
return {allowed, free, reset, retry, table.concat(words, ',')}
""")

# KEYS: the beginning of a receipt's key.
# ARGV: claim, event keys to keep, their receipts, their windows in seconds, event keys to let go of.
SETTLE = Script("""
local claim = 'c' .. ARGV[1]
local windows = string.gmatch(ARGV[4], '[^,]+')
local i = 0
for receipt in string.gmatch(ARGV[3], '[^,]+') do
  local key = KEYS[1] .. string.sub(ARGV[2], i * 16 + 1, i * 16 + 16)
  local value = redis.call('GET', key)
  local window = windows()
  if not value or value == claim then redis.call('SET', key, receipt, 'EX', window) end
  i = i + 1
end
for i = 0, #ARGV[5] / 16 - 1 do
  local key = KEYS[1] .. string.sub(ARGV[5], i * 16 + 1, i * 16 + 16)
  if redis.call('GET', key) == claim then redis.call('DEL', key) end
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
