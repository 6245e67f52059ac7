"""Where alerts go: nowhere by default, to Slack with a token."""

from __future__ import annotations

from vye_pipeline.errors import defect
from vye_pipeline.outlets import Outlet, let_out
from vye_pipeline.settings import Settings

SLACK = "https://slack.com/api/"
TIMEOUT_SECONDS = 10


class Notifier:
    """Sends nothing: alerts are off."""

    def send(self, text: str) -> None:
        """Sends a message.

        Raises:
            PipelineError: it could not be sent; the same message is tried again later.
        """

    def check(self) -> None:
        """Finds out whether messages can be sent.

        Raises:
            PipelineError: they can't.
        """


class SlackNotifier(Notifier):
    """Sends messages to a channel."""

    def __init__(self, token: str, channel: str, base_url: str) -> None:
        """Takes a bot's token with the scope chat:write, and a channel it has been invited to."""
        from slack_sdk import WebClient

        self._client = WebClient(token=token, base_url=base_url, timeout=TIMEOUT_SECONDS)
        self._channel = channel

    def send(self, text: str) -> None:
        """See Notifier. Mentions and pictures of what others wrote stay text."""
        shown = let_out(text, Outlet.SLACK)
        quiet = {"unfurl_links": False, "unfurl_media": False, "link_names": False}
        self._call("chat.postMessage", channel=self._channel, text=shown, **quiet)

    def check(self) -> None:
        """See Notifier."""
        self._call("auth.test")

    def _call(self, method: str, **values: str | bool) -> None:
        from slack_sdk.errors import SlackApiError, SlackClientError

        try:
            self._client.api_call(method, json=values)
        except (SlackClientError, OSError) as error:
            code = error.response["error"] if isinstance(error, SlackApiError) else type(error)
            reason = code if isinstance(code, str) else code.__name__
            raise defect(
                f"Slack refused {method}: {let_out(reason, Outlet.LOG)}",
                is_transient=True,
                next_step="check VYE_SLACK_TOKEN, VYE_SLACK_CHANNEL and that the bot is in it",
            ) from None


def open_notifier(settings: Settings) -> Notifier:
    """Returns what the settings ask for."""
    if settings.slack_token is None:
        return Notifier()
    token = settings.slack_token.get_secret_value()
    return SlackNotifier(token, settings.slack_channel, SLACK)
