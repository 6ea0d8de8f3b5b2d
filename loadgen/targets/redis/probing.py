"""Before anything is sent: what would make every request fail, each as one line."""

from loadgen.errors import TargetError
from loadgen.plan.stamps import read_stamp
from loadgen.targets.redis.commands import KEY_PREFIX
from loadgen.targets.redis.facts import Info
from loadgen.targets.redis.keyspace import key_name
from loadgen.targets.redis.login import IS_CLUSTER, WANTS_PASSWORD
from loadgen.targets.redis.model import RedisCommand, RedisWorkload
from loadgen.targets.redis.resp import Refusal, Reply
from loadgen.targets.redis.session import Session

N_LOOKED_AT = 100

_REASONS = {**dict.fromkeys(("MOVED", "ASK", "CLUSTERDOWN", "CROSSSLOT"), IS_CLUSTER), "NOAUTH": WANTS_PASSWORD}


def check_single(info: Info) -> None:
    """Raises TargetError for what is no server that holds all its data itself, and now."""
    mode = info.get("redis_mode", info.get("server_mode", ""))
    if info.get("cluster_enabled") == "1" or mode == "cluster":
        raise TargetError(IS_CLUSTER)
    if mode == "sentinel":
        raise TargetError("this is a Sentinel, which holds no data: name the server that it watches")
    if info.get("loading") == "1":
        raise TargetError("the server is still loading its data (LOADING): try again when it is done")


def check_workload(session: Session, workload: RedisWorkload, config: Info) -> None:
    """Raises TargetError for a server that does not take what will be sent."""
    answer = session.ask("GET", key_name(KEY_PREFIX, 0))
    if isinstance(answer, Refusal) and answer.code != "WRONGTYPE":
        raise TargetError(_REASONS.get(answer.code, f"GET is refused: {answer}"))
    longest = config.get("proto-max-bulk-len", "")
    if longest.isdigit() and workload.value_bytes > int(longest):
        raise TargetError(
            f"workload.value_bytes: {workload.value_bytes} is more than the server takes (proto-max-bulk-len {longest})"
        )
    _check_commands(session, workload.commands or ())


def holds_others(session: Session, n_keys: int) -> bool:
    """Whether values are there that have no stamp; some keys are looked at, evenly over all."""
    numbers = range(0, n_keys, max(n_keys // N_LOOKED_AT, 1))
    found = session.ask("MGET", *(key_name(KEY_PREFIX, number) for number in numbers))
    values = [value for value in found if isinstance(value, bytes)] if isinstance(found, list) else []
    return not all(map(read_stamp, values))


def _check_commands(session: Session, commands: tuple[RedisCommand, ...]) -> None:
    known = session.ask("COMMAND", "INFO", *(command.words[0] for command in commands)) if commands else []
    if isinstance(known, list) and len(known) == len(commands):  # else the user may not ask, or a proxy does not know
        for command, entry in zip(commands, known, strict=True):
            _check_command(command, entry)


def _check_command(command: RedisCommand, entry: Reply) -> None:
    """entry: name, arity (negative: at least so many words), and more; nothing for a command that there is not."""
    name, n_words = command.words[0], len(command.words)
    if not entry:
        raise TargetError(f"workload.commands: the server knows no command {name}")
    arity = entry[1] if isinstance(entry, list) and len(entry) > 1 else None
    if isinstance(arity, int) and (n_words != arity if arity >= 0 else n_words < -arity):
        wanted = f"{arity} words" if arity >= 0 else f"at least {-arity} words"
        raise TargetError(f"workload.commands: {name} takes {wanted}, its own name counted, and has {n_words}")
