"""Gives a past range of streams to one group again, as copies that no other group sees."""

from consumers.operations.replay.begin import start_replay
from consumers.operations.replay.go_on import StoreTooFull, continue_replay
from consumers.operations.replay.hold import ReplayGoesOn
from consumers.operations.replay.parts import Replayed
from consumers.operations.replay.plan import PlannedStream, ReplayPlan, plan_replay
from consumers.operations.replay.wanted import ReplayRefused, Wanted

__all__ = [
    "PlannedStream",
    "ReplayGoesOn",
    "ReplayPlan",
    "ReplayRefused",
    "Replayed",
    "StoreTooFull",
    "Wanted",
    "continue_replay",
    "plan_replay",
    "start_replay",
]
