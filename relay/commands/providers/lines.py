"""The lines of ``relay.toml`` that an endpoint of a preset needs, to be copied and filled in."""

from relay.commands.providers.facts import needs_of
from relay.provider import Provider

HOST = "https://hooks.example.com"


def lines_of(provider: Provider) -> str:
    """Write down the table of an endpoint that has the preset's own name."""
    needs = needs_of(provider)
    written = {
        "secrets": _secrets(provider),
        "public_url": f'"{HOST}/webhooks/{provider.name}"   # the URL exactly as the sender has it',
        "topic_arns": '["arn:aws:sns:us-east-1:123456789012:my-topic"]',
        "webhook_id": '"5WH44510GB886442S"   # the id of the webhook at the sender',
        "verify_token": f'{{ env = "{_variable(provider)}_VERIFY_TOKEN" }}',
        "origins": '["eventgrid.azure.net"]   # who may ask whether it may send',
    }
    lines = [f"[endpoints.{provider.name}]", f'provider = "{provider.name}"']
    return "\n".join([*lines, *(f"{name} = {written[name]}" for name in needs)])


def _secrets(provider: Provider) -> str:
    if provider.brings_secret:
        file = f"/var/lib/relay/{provider.name}.secret"
        return f'[{{ file = "{file}" }}]   # {provider.secret}: relay secrets accept'
    what = "PUBLIC_KEY" if provider.has_public_key else "WEBHOOK_SECRET"
    return f'[{{ env = "{_variable(provider)}_{what}" }}]   # {provider.secret}'


def _variable(provider: Provider) -> str:
    return provider.name.upper().replace("-", "_")
