"""Where an error came from, for logs. Never what it says: its message may quote a payload."""


def frames(error: BaseException, limit: int = 8) -> list[str]:
    """Say where an error was raised, innermost last, without its message."""
    found = []
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        found.append(f"{code.co_filename}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return found[-limit:]
