"""Candidates that wait already: what an earlier refit proposed is not fitted again day by day."""

from pathlib import Path

from monitor.core.artifact.model_folder_names import CANDIDATES, PROPOSAL_SUFFIX
from monitor.core.artifact.proposal import Proposal, ProposalError, parse_proposal
from monitor.core.history.label import Label
from monitor.settings.regular_file import MAX_SETTINGS_BYTES, read_regular


def newest_refit(folder: Path, champion: str) -> Proposal | None:
    """The newest refit of the version in use among the candidates of a model's folder; None: there is none."""
    found = []
    for file in (folder / CANDIDATES).glob(f"*{PROPOSAL_SUFFIX}"):
        try:
            proposal = parse_proposal(read_regular(file, MAX_SETTINGS_BYTES, follow_link=False))
        except (OSError, ProposalError):  # what is no proposal is not ours to judge
            continue
        if proposal.by == "refit" and proposal.parent == champion:
            found.append(proposal)
    return max(found, key=lambda proposal: proposal.at, default=None)


def still_stands(proposal: Proposal, labels: list[Label], now_seconds: float, least_seconds: float) -> bool:
    """Whether there is no use in another refit beside this one: it is young, and people have said nothing since."""
    made = proposal.at.timestamp()
    latest = max((label.at_seconds for label in labels), default=0.0)
    return now_seconds - made < least_seconds and latest <= made
