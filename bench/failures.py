"""What stops a benchmark.

CannotMeasure        here and now nothing can be measured: exit code 2
├── UnfitFileSystem  the stores would be on a file system in memory
├── TooFewCores      the server would share its core with what measures it
└── Missing          a program, a package or a permission is not there
BenchFailed          something did not do its part: exit code 1
├── ProgramFailed    a program ended, or did not answer in time
├── SenderFailed     a sender ended without saying what it was told
├── JobFailed        work in a process of its own came to no result
└── WorkNotDone      a contender leaves out a part of the work
"""


class CannotMeasure(Exception):
    """Here and now nothing can be measured."""


class UnfitFileSystem(CannotMeasure):
    """The stores would be on a file system on which durability means nothing."""


class TooFewCores(CannotMeasure):
    """The server would have to share its core with what measures it."""


class Missing(CannotMeasure):
    """The machine lacks what a benchmark needs; the message says what to do."""


class BenchFailed(Exception):
    """Something did not do its part."""


class ProgramFailed(BenchFailed):
    """A program ended, or did not answer in time; the message has the end of its log."""


class SenderFailed(BenchFailed):
    """A sender ended without saying what it was told; the message has what it said instead."""


class JobFailed(BenchFailed):
    """The work raised, or its process ended, or it took too long."""


class WorkNotDone(BenchFailed):
    """A contender leaves out a part of the work; the message says which."""
