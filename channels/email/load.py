"""What a connection is given to carry, one mail after the other."""

from typing import Protocol

from channels.email.mail import Mail
from gateway.contract import Failure


class Load(Protocol):
    """Every mail that is taken is settled once, or given back once."""

    def take(self) -> Mail | None:
        """The next mail; None while there is none for this connection."""

    def settle(self, mail: Mail, failure: Failure | None) -> None:
        """The server has taken the mail, or why it has not, or perhaps has not."""

    def give_back(self, mail: Mail, failure: Failure, *, on_its_turn: bool) -> None:
        """Nothing of the mail was sent, because the connection ended: another may carry it.

        `on_its_turn` says that the server was just hearing of this mail, which may be why; `failure` is what it comes
        to where nobody carries it.
        """
