"""What tweets tell, whichever version of Twitter's interface they came by."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from intel_grapher.model import Fact, Facts, Relationship
from intel_grapher.schema import (
    LINKS,
    MENTIONS,
    MESSAGED,
    QUOTED,
    REPLIED,
    RETWEETED,
    TAGGED,
    TWEET_ID,
    TWEETED,
    Link,
    ScreenName,
    Tag,
    Term,
    TweetId,
    on_hosts,
)

BY_ITSELF = "a key may be a user's number or a retweet's; users and tweets name themselves"
S = TypeVar("S", bound=str)
E = TypeVar("E", bound=str)


class Post(NamedTuple):
    """A tweet as either version tells it; `author` and `answers` (whom it replies to) only where the name is known."""

    id: TweetId
    author: ScreenName | None
    created: str | None
    text: str
    lang: str | None
    answers: ScreenName | None
    replied: list[TweetId]
    quoted: list[TweetId]
    mentions: list[ScreenName]
    tags: list[Tag]
    links: list[Link]

    @property
    def addressed(self) -> list[ScreenName]:
        """Return whom the author addresses, save the author, who goes on with a thread."""
        names = [*self.mentions, *([self.answers] if self.answers else [])]
        return [each for each in names if self.author and each.lower() != self.author.lower()]


class Passed(NamedTuple):
    """A retweet: who passed which tweet on, when."""

    author: ScreenName | None
    id: TweetId
    created: str | None


def dated(what: Relationship[S, E], rows: Sequence[tuple[S | None, E, str | None]]) -> Fact:
    """Return relationships of rows of start, end and when; those without a start are not known and left out."""
    known = [(start, end, when) for start, end, when in rows if start is not None]
    return what.each([each[0] for each in known], [each[1] for each in known], seen=[each[2] for each in known])


def told(posts: Sequence[Post], passed: Sequence[Passed]) -> Facts:
    """Yield what tweets and retweets tell."""
    yield TWEET_ID.each(
        [each.id for each in posts],
        text=[each.text for each in posts],
        lang=[each.lang for each in posts],
        created=[each.created for each in posts],
    )
    yield dated(TWEETED, [(each.author, each.id, each.created) for each in posts])
    yield dated(RETWEETED, passed)
    yield TWEET_ID.each([each.id for each in passed])
    yield dated(MESSAGED, [(each.author, name, each.created) for each in posts for name in each.addressed])
    yield dated(REPLIED, [(each.id, other, each.created) for each in posts for other in each.replied])
    yield dated(QUOTED, [(each.id, other, each.created) for each in posts for other in each.quoted])
    yield dated(MENTIONS, [(each.id, name, each.created) for each in posts for name in each.mentions])
    yield dated(TAGGED, [(each.id, tag, each.created) for each in posts for tag in each.tags])
    yield dated(LINKS, [(each.id, link, each.created) for each in posts for link in each.links])
    yield on_hosts([link for each in posts for link in each.links])


def elsewhere(tweet: TweetId, links: Iterable[str]) -> list[Link]:
    """Return a tweet's links, each once, save those to itself: its own pictures, the rest of its text."""
    return [Link(each) for each in dict.fromkeys(links) if each and f"/status/{tweet}" not in each]


def by_name(asked: ScreenName | Term) -> ScreenName | None:
    """Return the user whom a reply was asked of, or None where it was asked for by number or by something else."""
    return ScreenName(asked) if re.fullmatch(r"(?![0-9]+\Z)[a-z0-9_]{1,20}", asked) else None
