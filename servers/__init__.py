"""Real servers for demos and tests: how each is installed into .servers/ and started on 127.0.0.1.

`python -m servers install NAME…` and `python -m servers run NAME -- COMMAND` (see __main__.py). Nothing here is part of
the installed package, and nothing outside .servers/ is changed but the caches of pip, go and apt.
"""

from servers import (
    chroma,
    chromium,
    llamacpp,
    minio,
    nginx,
    ollama,
    postgresql,
    qdrant,
    rclone,
    redis,
    seaweedfs,
    transformers_serve,
    valkey,
    vllm,
)

SERVERS = {
    module.NAME: module
    for module in (
        *(chroma, chromium, llamacpp, minio, nginx, ollama, postgresql, qdrant, rclone, redis, seaweedfs, valkey, vllm),
        transformers_serve,
    )
}
