"""What the API answers where it does not do what was asked, as a value.

Source: RFC 9457, for the form.
"""

# Assumption: errors have a type, a title, a detail and a status
TYPES = {
    400: ("api/invalid_parameters", "Bad request"),
    401: ("api/unauthorized", "Unauthorized"),
    403: ("api/forbidden", "Forbidden"),
    404: ("api/not_found", "Not found"),
    405: ("api/method_not_allowed", "Method not allowed"),
    413: ("api/too_large", "Request too large"),
    429: ("api/too_many_requests", "Too many requests"),
    500: ("api/internal_error", "Internal error"),
    503: ("api/service_unavailable", "Service unavailable"),
}


class Refused(Exception):
    """The API does not do what was asked.

    Args:
        status: 400 to 599.
        detail: Why, in words.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail

    def document(self) -> dict[str, object]:
        """Give the body of the answer."""
        kind, title = TYPES.get(self.status, ("api/error", "Error"))
        return {"type": kind, "title": title, "detail": self.detail, "status": self.status}
