"""Asks implementations that are not ours: one program for each language, up as long as the tests.

They are installed by ``make test`` into an environment of their own. Where they are not, whoever
asks one is skipped and says so.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.independent.implementations import IMPLEMENTATIONS, Language

HERE = Path(__file__).parent
INSTALLED = Path(sys.prefix) / "independent"
NOT_THERE = "make test installs it where the registry of packages can be reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an implementation is asked to sign or to verify.

    Args:
        body: As it is sent.
        headers: With names in lower case; to sign, those that are signed.
        secret: As the sender shows it.
        url: Where the sender sends to.
        timestamp: Unix seconds, to sign.
        id: Of the delivery, to sign; else what the receiver knows beside the secret: PayPal's
            id of the webhook, LiveKit's key.
        public_key: In the form in which the sender shows it.
        private_key: PEM, to sign.
        certificate: PEM.
    """

    body: bytes
    headers: dict[str, str]
    secret: str = ""
    url: str = "https://example.com/hook"
    timestamp: int = 0
    id: str = ""
    public_key: str = ""
    private_key: str = ""
    certificate: str = ""


@dataclass(frozen=True, slots=True)
class Signed:
    """What an implementation has signed.

    Args:
        body: Another than was asked for where the signature stands in it.
        headers: Those that it adds.
    """

    body: bytes
    headers: dict[str, str]


class Unable(Exception):
    """An implementation failed instead of accepting or refusing."""


class Program:
    """The adapters of one language, as a process.

    Args:
        command: Starts it.
    """

    def __init__(self, command: list[str]) -> None:
        # The libraries are large: what is compiled once serves the next run.
        without = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH"}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name not in without},
            text=True,
        )

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Ask one question."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise Unable("the program has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class Independent:
    """All implementations, each program started when it is first asked."""

    def __init__(self) -> None:
        self._programs: dict[Language, Program] = {}

    def verify(self, name: str, question: Question) -> bool:
        """Give whether an implementation accepts.

        Raises:
            Unable: It neither accepts nor refuses.
        """
        return bool(self._ask(name, "verify", question)["ok"])

    def sign(self, name: str, question: Question) -> Signed:
        """Have an implementation sign.

        Raises:
            Unable: It does not.
        """
        answer = self._ask(name, "sign", question)
        body = base64.b64decode(answer["body_b64"]) if "body_b64" in answer else question.body
        return Signed(body, answer["headers"])

    def offered(self, language: Language) -> dict[str, list[str]]:
        """Give by verb the names of what the adapters of a language know."""
        return self._program(language).answer(_wire("", "list", Question(body=b"", headers={})))

    def stop(self) -> None:
        """End the programs."""
        for program in self._programs.values():
            program.stop()

    def _ask(
        self, name: str, verb: Literal["sign", "verify"], question: Question
    ) -> dict[str, Any]:
        program = self._program(IMPLEMENTATIONS[name].language)
        answer = program.answer(_wire(name, verb, question))
        if "error" in answer:
            raise Unable(f"{name} cannot {verb}: {answer['error']}")
        return answer

    def _program(self, language: Language) -> Program:
        if language not in self._programs:
            self._programs[language] = Program(_command(language))
        return self._programs[language]


def _command(language: Language) -> list[str]:
    """Give how to start the adapters of a language, or skip the test that asks."""
    if language == "python":
        if not (INSTALLED / ".python").exists():
            pytest.skip(f"{INSTALLED} has no Python packages: {NOT_THERE}")
        return [str(INSTALLED / "bin" / "python"), str(HERE / "adapters.py")]
    node = shutil.which("node")
    if node is None or not (INSTALLED / ".npm").exists():
        pytest.skip(f"node is missing, or {INSTALLED} has no npm packages: {NOT_THERE}")
    return [node, str(HERE / "adapters.mjs"), str(INSTALLED / "npm")]


def _wire(name: str, verb: str, question: Question) -> dict[str, Any]:
    """Give a question as the programs read it."""
    fields = {field: getattr(question, field) for field in question.__slots__}
    body = base64.b64encode(fields.pop("body")).decode()
    return {"implementation": name, "do": verb, "method": "POST", "body_b64": body, **fields}
