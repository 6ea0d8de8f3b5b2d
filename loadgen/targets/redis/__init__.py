"""Redis, Valkey, and all that speak their protocol."""

from loadgen.recipe.kinds import Kind
from loadgen.targets.redis.model import RedisService, RedisWorkload
from loadgen.targets.redis.target import RedisTarget

KIND = Kind(RedisService, RedisWorkload, RedisTarget, about="Redis, Valkey, and all that speak their protocol")
