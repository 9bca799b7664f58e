"""A proposal: what stands beside a version that waits to be put into use, and what was found when it was checked."""

from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from monitor.core.artifact.generation import Generation
from monitor.core.artifact.part import Finite, ManifestPart
from monitor.core.values.names import Name


class ProposalError(ValueError):
    """The text is no proposal; the message says why."""


class Check(ManifestPart):
    """One thing that a version must hold to be promoted by itself.

    found, bound: what was measured and what it is held to, in the unit that `text` names (None: not a number).
    text: one sentence for people.
    """

    name: Name
    holds: bool
    found: Finite | None = None
    bound: Finite | None = None
    text: str


class Proposal(ManifestPart):
    """A version that waits in a model's folder of candidates.

    sha256: of its artifact, in hexadecimal digits. parent: the version in use that it was compared with. checks: empty
    where nothing was compared, as after a fit by hand. accepted: streams whose accepted data it was fitted to, each
    with the time from which they are, in seconds since 1970; it becomes their anchor when it is promoted.
    """

    version: Name
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    at: AwareDatetime
    parent: Name
    by: Literal["refit", "fit"]
    checks: tuple[Check, ...] = ()
    accepted: dict[Name, Finite] = Field(default_factory=dict)

    @property
    def promotable(self) -> bool:
        """Whether it may be promoted without a person: something was checked, and all of it holds."""
        return bool(self.checks) and all(check.holds for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.holds)


def parse_proposal(data: bytes) -> Proposal:
    """Parse the content of a proposal's file.

    Raises:
        ProposalError: it is no proposal.

    """
    try:
        return Proposal.model_validate_json(data)
    except ValidationError as error:
        raise ProposalError("; ".join(problem["msg"] for problem in error.errors())) from None


def reasons_to_wait(
    proposal: Proposal, champion: str, generation: Generation | None, *, frozen: bool
) -> tuple[str, ...]:
    """Why a proposal is not promoted without a person; empty: it is.

    champion: the version in use. generation: how that one came into use; None: it is not written down. frozen: whether
    a person froze the model.
    """
    reasons = [check.text for check in proposal.failed]
    if not proposal.checks:
        reasons.append("nobody compared it with the version in use")
    if proposal.parent != champion:
        reasons.append(f"it was compared with {proposal.parent}, and {champion} is in use")
    elif generation is not None and proposal.at < generation.at.replace(microsecond=0):  # artifacts are made at seconds
        # what a person put back is not to be overturned by what that person has seen
        reasons.append(f"it was made before {champion} came into use")
    if frozen:
        reasons.append("the model is frozen")
    return tuple(reasons)
