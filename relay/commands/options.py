"""The options that commands share."""

from typing import Annotated

import typer

RedisUrl = Annotated[
    str | None,
    typer.Option(
        "--redis-url",
        metavar="URL",
        help="Where Redis or Valkey is: redis://, unix://, redis+sentinel:// or redis+cluster://; "
        "rediss for TLS. A password on the command line can be seen by others on this machine; "
        "REDIS_URL cannot.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
AsJsonLines = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
Port = Annotated[
    int | None,
    typer.Option(
        "--port", min=0, max=65535, help="Where deliveries come in; 0 takes a free one. [8080]"
    ),
]
AdminPort = Annotated[
    int | None,
    typer.Option("--admin-port", min=0, max=65535, help="Metrics and health, on 127.0.0.1. [8081]"),
]
