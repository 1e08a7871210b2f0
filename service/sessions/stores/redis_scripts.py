"""What Redis does in one go: each script holds for every other client the whole time it runs.

KEYS are the session's claim and, where they are needed, its snapshot, or another owner's. A claim's value is
its token, a space and its owner; an owner's key is there for as long as its lease lasts.
"""

from __future__ import annotations

from typing import Final

_CHECK: Final = """
local held = redis.call('GET', KEYS[1])
if not held or string.sub(held, 1, #ARGV[1]) ~= ARGV[1] then return redis.error_reply('CLAIM lost') end
"""

# KEYS: the owner's own, and the sessions that it is asked for.
BEAT: Final = """
redis.call('SET', KEYS[1], '', 'PX', ARGV[1])
local wanted = redis.call('SMEMBERS', KEYS[2])
redis.call('DEL', KEYS[2])
return wanted
"""

# ARGV: token, owner, most milliseconds without a put, and who is thought to have it, whose keys are the last
# two: a script names all its keys beforehand. Then whether to ask, the session, and how long the wish stands.
CLAIM: Final = """
local held = redis.call('GET', KEYS[1])
if held then
    local owner = string.sub(held, string.find(held, ' ', 1, true) + 1)
    if owner ~= ARGV[2] then
        if owner ~= ARGV[4] then return {owner} end
        local left = redis.call('PTTL', KEYS[3])
        if left > 0 then
            if ARGV[5] == '1' then
                redis.call('SADD', KEYS[4], ARGV[6])
                redis.call('PEXPIRE', KEYS[4], ARGV[7])
            end
            return {owner, left}
        end
    end
end
-- Who has asked this owner for it before it went round has had it.
if ARGV[2] == ARGV[4] then redis.call('SREM', KEYS[4], ARGV[6]) end
local lives = math.max(redis.call('PTTL', KEYS[2]), 0) + ARGV[3]
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', string.format('%.0f', lives))
return {}
"""

# By owner: the answer to the renewal before may have been lost.
RENEW: Final = """
local held = redis.call('GET', KEYS[1])
if not held or string.sub(held, string.find(held, ' ', 1, true) + 1) ~= ARGV[2] then
    return redis.error_reply('CLAIM lost')
end
return redis.call('SET', KEYS[1], ARGV[3] .. ' ' .. ARGV[2], 'KEEPTTL')
"""

RELEASE: Final = """
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, #ARGV[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""

# SET first: where memory is short it is refused, and then all is as it was.
PUT: Final = f"""{_CHECK}
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return redis.call('PEXPIRE', KEYS[1], ARGV[4])
"""

TAKE: Final = f"{_CHECK} return redis.call('GETDEL', KEYS[2])"

DELETE: Final = f"{_CHECK} return redis.call('DEL', KEYS[1], KEYS[2])"
