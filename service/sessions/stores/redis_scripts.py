"""What Redis does in one go: each script holds for every other client the whole time it runs.

KEYS are the session's claim and, where it is needed, its snapshot. A claim's value is its token, a space and
its owner; it goes by itself when its lease ends.
"""

from __future__ import annotations

from typing import Final

_CHECK: Final = """
local held = redis.call('GET', KEYS[1])
if not held or string.sub(held, 1, #ARGV[1]) ~= ARGV[1] then return redis.error_reply('CLAIM lost') end
"""

CLAIM: Final = """
local held = redis.call('GET', KEYS[1])
if held then
    local owner = string.sub(held, string.find(held, ' ', 1, true) + 1)
    if owner ~= ARGV[2] then return {owner, redis.call('PTTL', KEYS[1])} end
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
return {}
"""

RENEW: Final = f"{_CHECK} return redis.call('PEXPIRE', KEYS[1], ARGV[2])"

RELEASE: Final = """
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, #ARGV[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""

# SET first: where memory is short it is refused, and then the lease is as it was.
PUT: Final = f"""{_CHECK}
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

TAKE: Final = f"{_CHECK} return redis.call('GETDEL', KEYS[2])"
